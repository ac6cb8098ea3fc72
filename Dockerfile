# Any Debian root with Python 3.11 or newer, venv and pip will do. Pin it by digest in a release:
#   docker build --build-arg BASE_IMAGE=python:3.13-slim-bookworm@sha256:... .
ARG BASE_IMAGE=python:3.13-slim-bookworm

FROM ${BASE_IMAGE} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
# The build backend is for this stage only and stays out of the result.
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/computegate
COPY requirements requirements
# Of the development lock only the backend's entry: its line and those that continue it.
RUN sed -n '/^setuptools==/,/[^\\]$/p' requirements/dev.lock >build.lock \
 && /build/bin/pip install --require-hashes --only-binary :all: --requirement build.lock \
 && /build/bin/pip --python /opt/computegate/bin/python install --require-hashes --only-binary :all: --requirement requirements/run.lock
COPY pyproject.toml README.md LICENSE ./
COPY admission admission
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /build/bin/pip --python /opt/computegate/bin/python install --no-deps --no-index /wheels/*.whl

FROM ${BASE_IMAGE}
# Nothing installs packages here, so nothing that could is left.
RUN find / -xdev -depth -type d -path '*python3*' \( -name pip -o -name 'pip-*' -o -name ensurepip \) -exec rm -rf {} + \
 && rm -f /usr/local/bin/pip* /usr/bin/pip*
COPY --from=builder /opt/computegate /opt/computegate
ENV PATH=/opt/computegate/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 8443 9090
ENTRYPOINT ["computegate"]
