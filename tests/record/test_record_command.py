"""``computegate record verify``: what it prints, by which keys, and its exit codes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from admission.cli import recordlines
from admission.cli.explain import records
from admission.cli.main import main
from admission.cli.usage import read
from admission.server.recorder import Recorder
from admission.server.signing import UnusableKey, hmac_signer, key_signer, verifier
from admission.server.sinks import Stream
from tests.gate.reviews import Door, review, run
from tests.record.written import KEY, place, written, wrong

if TYPE_CHECKING:
    import pathlib

PRIVATE = Ed25519PrivateKey.generate()
PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
RSA = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
LINES = written(20)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "other").write_bytes(b"o" * 32)
    (tmp_path / "record").write_bytes(b"".join(each + b"\n" for each in LINES))
    (tmp_path / "edited").write_bytes(b"".join(each + b"\n" for each in LINES).replace(b'"first":"7"', b'"first":"8"'))
    return tmp_path


@pytest.mark.parametrize(
    ("file", "options", "code", "said"),
    [
        ("record", ("--key", "key"), 0, "2 checkpoints verified, up to line 22; ended in order\nintact"),
        ("record", (), 0, "signatures were not checked"),
        ("record", ("--key", "other", "--key", "key"), 0, "intact"),
        ("record", ("--key", "other"), 1, "unsigned: run RUN line 0 to 22: no checkpoint of this run is signed"),
        ("edited", ("--key", "key"), 1, "edited: run RUN line 9 at edited:10: its hash is of other words"),
        ("key", (), 2, "no line of a record was read"),
        ("nowhere", (), 2, "No such file"),
        ("record", ("--key", "nowhere"), 2, "No such file"),
    ],
)
def test_the_exit_code_and_the_words_say_what_was_found(
    folder: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    file: str,
    options: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(folder)
    found = main(["record", "verify", *options, file])
    told = capsys.readouterr()
    assert (found, said.replace("RUN", place(LINES[0]).run) in told.out + told.err) == (code, True), told


def test_json_has_the_same(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["record", "verify", "--key", str(folder / "key"), "-o", "json"]
    assert main([*command, str(folder / "edited")]) == 1
    found = json.loads(capsys.readouterr().out)
    (one,) = found["runs"]
    wanted = {"replica": "one", "lines": 22, "last": 22, "checkpointsVerified": 2, "signedTo": 22, "ended": True}
    assert {key: one[key] for key in wanted} == wanted
    assert [(each["kind"], each["first"], each["at"].rpartition("/")[2]) for each in found["faults"]] == [
        ("edited", 9, "edited:10")
    ]


def test_standard_input_is_read(folder: pathlib.Path) -> None:
    command = [sys.executable, "-m", "admission.cli.main", "record", "verify", "--key", str(folder / "key")]
    text = (folder / "record").read_bytes()
    done = subprocess.run(command, input=b'{"level":"info"}\n' + text, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, b"intact")


def test_a_public_key_proves_what_the_private_one_signed() -> None:
    lines = written(20, signer=key_signer(PEM))
    for key in (PEM, PUBLIC):
        assert wrong(lines, [verifier(key)]) == set()
    other = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert {each.kind for each in wrong(lines, [verifier(other)])} == {"unsigned"}
    assert {each.kind for each in wrong(LINES, [verifier(PUBLIC)])} == {"unsigned"}


@pytest.mark.parametrize(
    "content", [RSA, b"-----BEGIN nothing", b"short", b""], ids=["rsa", "no-pem", "short", "empty"]
)
def test_a_file_that_holds_no_key_is_refused_without_a_word_of_it(content: bytes) -> None:
    with pytest.raises(UnusableKey) as refused:
        verifier(content)
    assert content.decode(errors="replace")[:5] not in str(refused.value) or not content
    with pytest.raises(UnusableKey):
        key_signer(content)


@pytest.mark.parametrize(
    "separators", [(",", ":"), (", ", ": "), (" ,", " :")], ids=["as-written", "as-dumped", "otherwise"]
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""], ids=["a-line", "another-end", "the-last"])
def test_a_line_that_can_be_explained_is_verified_too(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], separators: tuple[str, str], end: bytes
) -> None:
    door, record = Door(), tmp_path / "record"
    run(review(), door=door)
    forged = {**msgspec.to_builtins(door.records[0]), "reference": "deadbeef00", "decision": "allowed"}
    record.write_bytes(b"\n".join([*LINES, json.dumps(forged, separators=separators).encode()]) + end)
    assert main(["explain", "deadbeef00", "--from", str(record)]) == 0
    assert main(["record", "verify", str(record)]) == 1
    assert f"unlinked: a line at {record}:{len(LINES) + 1}: a line of no run" in capsys.readouterr().out


def test_a_line_that_is_too_long_is_none_for_who_reads_and_who_verifies(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    door, record = Door(), tmp_path / "record"
    run(review(), door=door)
    (line,) = map(msgspec.json.encode, door.records)
    monkeypatch.setattr(recordlines, "LONGEST", 4 * len(line))
    record.write_bytes(b"\n".join([*LINES, b" " * 4 * len(line) + line, b""]))
    assert list(records(io.BytesIO(record.read_bytes()))) == []
    assert main(["record", "verify", str(record)]) == 0


def test_what_reads_the_record_reads_its_lines_with_the_chain_in_them() -> None:
    door, out = Door(), io.BytesIO()
    run(review(), door=door)
    recorder = Recorder([Stream(out)])
    recorder.begin(hmac_signer(KEY))
    for each in door.records:
        recorder(each)
    recorder.close()
    assert list(records(io.BytesIO(out.getvalue()))) == door.records
    assert read(out.getvalue().splitlines()).unreadable == 0
    assert read(written(3)).gaps == {("0", ""), ("1", "x"), ("2", "xx")}
