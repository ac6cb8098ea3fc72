"""What the image is built from: everything pinned, everything that is copied let through, nothing run in the result."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
INSTRUCTIONS = (
    re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ").splitlines()
)
LAST = [line for line in "\n".join(INSTRUCTIONS).rpartition("\nFROM ")[2].splitlines()[1:] if line]


@pytest.mark.parametrize("lock", ["run", "dev"])
def test_every_package_of_a_lock_is_pinned_and_has_hashes(lock: str) -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / "requirements" / f"{lock}.lock").read_text())
    packages = [entry for entry in entries if not entry.startswith("#")]
    loose = [entry for entry in packages if not re.match(r"\S+==\S+ \\\n(.*\n)*? +--hash=sha256:[0-9a-f]{64}", entry)]
    assert len(packages) > 10
    assert loose == []


def test_the_default_base_is_pinned_by_digest() -> None:
    [base] = [line for line in INSTRUCTIONS if line.startswith("ARG BASE_IMAGE=")]
    assert re.search(r":[\w.-]+@sha256:[0-9a-f]{64}$", base)


def test_every_installation_checks_hashes_or_asks_no_index() -> None:
    installs = re.findall(r"bin/pip(?: --python \S+)? (?:install|wheel) [^&\n]*", "\n".join(INSTRUCTIONS))
    assert len(installs) == 4
    assert [each for each in installs if "--require-hashes" not in each and "--no-index" not in each] == []


def test_nothing_is_run_in_the_result_which_is_not_roots() -> None:
    assert {line.split()[0] for line in LAST} == {"COPY", "ENV", "USER", "EXPOSE", "ENTRYPOINT"}
    assert "USER 65532:65532" in LAST
    assert 'ENTRYPOINT ["computegate"]' in LAST  # a list: no shell starts it


def test_what_the_dockerfile_copies_is_let_through_and_nothing_else() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [line.split()[1:-1] for line in INSTRUCTIONS if line.startswith("COPY ") and "--from" not in line]
    allowed = {line.removeprefix("!").split("/*")[0] for line in ignored if line.startswith("!")}
    assert {name for names in copied for name in names} == allowed
    assert "*" in ignored
