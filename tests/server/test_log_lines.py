"""What the program says of itself: one bounded JSON line each, whoever says it, and a text for terminals."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.api.tenant import Tenant
from admission.cli.main import main
from admission.server import log
from admission.server.log import LONGEST, JSONFormatter

if TYPE_CHECKING:
    from collections.abc import Callable

MARK = "Invented-Holding"


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def _ours() -> None:
    logging.getLogger("admission.x").warning("tenant %s: %d times", MARK, 3)


def _theirs() -> None:
    logging.getLogger("aiohttp.client").error("%s\nin two lines", MARK)


def _warned() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("an API goes", DeprecationWarning, stacklevel=1)


def _in_a_thread() -> None:
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()


def _uncaught() -> None:
    try:
        raise ValueError(MARK)  # noqa: TRY301 (what is caught is what is shown)
    except ValueError:
        sys.excepthook(*sys.exc_info())


class _Refuses:
    def __del__(self) -> None:
        raise ValueError(MARK)


def _unraisable() -> None:
    each = _Refuses()
    del each
    gc.collect()


def _forgotten_task() -> None:
    async def fails() -> None:
        raise ValueError(MARK)

    async def run() -> None:
        log.listen(asyncio.get_running_loop())
        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        del task
        gc.collect()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("say", "level", "logger", "words"),
    [
        (_ours, "warning", "admission.x", f"tenant {MARK}: 3 times"),
        (_theirs, "error", "aiohttp.client", f"{MARK} in two lines"),
        (_warned, "warning", "py.warnings", "DeprecationWarning: an API goes"),
        (_in_a_thread, "critical", "admission", "nobody caught an exception"),
        (_uncaught, "critical", "admission", "nobody caught an exception"),
        (_unraisable, "critical", "admission", "nobody caught an exception"),
        (_forgotten_task, "error", "asyncio", "Task exception was never retrieved"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_whoever_says_something_says_one_line(
    say: Callable[[], None], level: str, logger: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with log.telling():
        say()
    (line,) = lines(capsys)
    assert (line["level"], line["logger"]) == (level, logger)
    assert words in line["message"]
    assert line["at"].endswith("+00:00")


def test_a_sentence_stands_beside_its_template_and_an_error_beside_where_it_was_raised(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with log.telling():
        token = log.REVIEWED.set("7f3a")
        _ours()
        log.REVIEWED.reset(token)
        _uncaught()
    said, failed = lines(capsys)
    assert (said["template"], said["uid"]) == ("tenant %s: %d times", "7f3a")
    assert (failed["error"]["type"], failed["error"]["text"]) == ("ValueError", MARK)
    assert failed["error"]["trace"][-1].startswith("tests/server/test_log_lines.py:")


def test_what_ends_the_program_is_said_in_a_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, log.telling():
        raise ValueError(MARK)
    (line,) = lines(capsys)
    assert (ended.value.code, line["level"], line["message"]) == (1, "critical", "nobody caught an exception")
    assert (line["error"]["type"], line["error"]["text"]) == ("ValueError", MARK)
    with pytest.raises(BrokenPipeError), log.telling():
        raise BrokenPipeError
    assert lines(capsys) == []


@pytest.mark.parametrize(
    ("command", "part"),
    [
        (["serve"], "admission.cli.serve.Registry"),
        (["kyc", "serve", "--config", "none.yaml"], "admission.cli.kyc.read_receiver_settings"),
        (["screen", "--list", "none.csv", "--every", "60"], "admission.cli.screen.Client.connect"),
    ],
)
def test_no_program_of_a_pod_ends_with_words_of_the_interpreter(
    command: list[str], part: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError(MARK)

    monkeypatch.setattr(part, fails)
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 1
    assert [line["error"]["type"] for line in lines(capsys)] == ["ZeroDivisionError"]


def test_of_other_libraries_only_warnings_are_said_at_any_level(capsys: pytest.CaptureFixture[str]) -> None:
    with log.telling() as choose:
        choose("debug", "json")
        logging.getLogger("kubernetes.aio.client.rest").debug("response body: %s", MARK)
        logging.getLogger("admission.x").debug("ours")
        choose("error", "json")
        _ours()
    assert [line["message"] for line in lines(capsys)] == ["ours"]


def test_a_terminal_is_told_in_text(capsys: pytest.CaptureFixture[str]) -> None:
    with log.telling() as choose:
        choose("info", "text")
        _ours()
        _uncaught()
    told = capsys.readouterr().err
    assert told.startswith(f"WARNING admission.x: tenant {MARK}: 3 times\nCRITICAL admission: nobody caught")
    assert told.endswith(f"    ValueError: {MARK}\n")


@given(st.text(), st.text(alphabet=st.characters(), max_size=9000), st.integers())
def test_any_text_gives_one_bounded_line_of_json(name: str, text: str, number: int) -> None:
    record = logging.LogRecord(
        name or "x", logging.ERROR, "p", 1, "%s %s", (text, number), (ValueError, ValueError(text), None)
    )
    line = JSONFormatter().format(record)
    told = json.loads(line)
    assert "\n" not in line
    assert max(len(told["message"]), len(told["error"]["text"])) <= LONGEST * len("\\udc80")


def test_an_object_that_cannot_be_read_is_not_quoted() -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        Tenant.model_validate({"metadata": {"name": "t"}, "spec": {"legalName": [MARK], "kind": MARK * 1000}})
    assert "legalName" in str(caught.value)
    assert MARK not in str(caught.value)
