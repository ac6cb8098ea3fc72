# The image holds a Python interpreter, the libraries it links, the locked packages and computegate: no shell, no package
# manager, no compiler, no pip.  Any Debian root with Python 3.11 or newer, venv and pip will do as the base:
#   docker build --build-arg BASE_IMAGE=registry.example.com/python:3.13 --tag computegate:0.1.0 .
#   docker build --target sbom --output . .     # what is installed in it, as CycloneDX: sbom.cdx.json
# The default is Docker's official Python 3.13.15 on Debian 13.
ARG BASE_IMAGE=docker.io/library/python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285

FROM ${BASE_IMAGE} AS builder
# The time (seconds since 1970) that stands in what is built, so that two builds of one commit hold the same files.
ARG SOURCE_DATE_EPOCH=1767225600
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/computegate
COPY requirements requirements
# Of the development lock only the build backend's entry: its line and those that continue it.
# The secret `pip`, where one is given, is the builder's own pip.conf (an index, a certificate); it is mounted, not kept.
RUN --mount=type=secret,id=pip,target=/run/secrets/pip.conf --mount=type=secret,id=ca,target=/run/secrets/ca.crt \
    export PIP_CONFIG_FILE=/run/secrets/pip.conf \
 && sed -n '/^setuptools==/,/[^\\]$/p' requirements/dev.lock >build.lock \
 && /build/bin/pip install --require-hashes --only-binary :all: --requirement build.lock \
 && /build/bin/pip --python /opt/computegate/bin/python install --require-hashes --only-binary :all: --requirement requirements/run.lock
COPY pyproject.toml README.md LICENSE ./
COPY admission admission
RUN /build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /build/bin/pip --python /opt/computegate/bin/python install --no-deps --no-index /wheels/*.whl
COPY tools/image tools/image
RUN python3 -m tools.image.root /opt/computegate /image

FROM scratch AS sbom
COPY --from=builder /image/usr/share/computegate/sbom.cdx.json /

FROM scratch
COPY --from=builder /image /
ENV PATH=/opt/computegate/bin PYTHONUTF8=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 8443 9090
ENTRYPOINT ["computegate"]
