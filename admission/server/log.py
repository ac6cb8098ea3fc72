"""What the program says of itself: one bounded JSON line each on standard error, whoever says it.

Decisions are not here: they are the decision record, on standard output, with the reference that a tenant reads.  A
line that is about a review carries ``uid``, the uid of its object, by which the record's line is found.

Bodies of objects never get in: no call passes one, an error's own text is cut, and of other libraries only warnings are
said, as their lower levels print what they send and receive.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import pathlib
import sys
import threading
import traceback
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from types import TracebackType

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "text"]

LONGEST = 2000
"""Characters of one text."""

MOST_FRAMES = 24
"""Innermost frames of an exception that one line shows."""

REVIEWED: ContextVar[str] = ContextVar("REVIEWED", default="")
"""Uid of the object under review, as far as one is."""

_OURS = "admission"
_NOBODY = "nobody caught an exception"
_PACKAGE = pathlib.Path(__file__).parent.parent.parent
_QUIET = (KeyboardInterrupt, SystemExit)


class ErrorOf(msgspec.Struct, frozen=True):
    """An exception: its class, its text, and where it was raised, the innermost place last."""

    type: str
    text: str
    trace: tuple[str, ...]


class LogLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line; ``template`` is the sentence before names and numbers were put in."""

    at: str
    level: str
    logger: str
    message: str
    template: str
    uid: str = ""
    error: ErrorOf | None = None


class JSONFormatter(logging.Formatter):
    """Formats any record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        return msgspec.json.encode(_line(record)).decode()


class TextFormatter(logging.Formatter):
    """Formats any record as one line for a person, and the places of an exception below it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        line = _line(record)
        told = [f"{record.levelname} {line.logger}: {line.message}"]
        if line.error is not None:
            told += [*line.error.trace, f"{line.error.type}: {line.error.text}"]
        return "\n    ".join(told)


@contextlib.contextmanager
def telling() -> Iterator[Callable[[Level, Format], None]]:
    """Have everything that is said, or goes wrong, within the block said as such lines.

    The value is what chooses the level and the format; until then all from ``info`` on is said as JSON.  What nobody
    caught within ends the program, with exit code 1; but for a closed pipe, which its reader meant.
    """
    handler, root = logging.StreamHandler(sys.stderr), logging.getLogger()
    before, hooks = root.handlers[:], (sys.excepthook, threading.excepthook, sys.unraisablehook)

    def choose(level: Level, form: Format) -> None:
        handler.setFormatter(JSONFormatter() if form == "json" else TextFormatter())
        logging.getLogger(_OURS).setLevel(level.upper())

    choose("info", "json")
    root.handlers[:] = [handler]
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = sys.unraisablehook = _forgotten
    try:
        yield choose
    except BrokenPipeError:
        raise
    except Exception:  # the interpreter's own words would come after these hooks
        logging.getLogger(_OURS).critical(_NOBODY, exc_info=True)
        raise SystemExit(1) from None
    finally:
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
        logging.captureWarnings(capture=False)
        root.handlers[:] = before


def listen(loop: asyncio.AbstractEventLoop) -> None:
    """Say what an event loop finds wrong in these words; its own handler prints tasks with all that they hold."""
    loop.set_exception_handler(_of_loop)


def _of_loop(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    logging.getLogger("asyncio").error("%s", context.get("message", ""), exc_info=context.get("exception"))


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is not None and not isinstance(error, _QUIET):
        logging.getLogger(_OURS).critical(_NOBODY, exc_info=(kind, error, trace))


def _forgotten(args: threading.ExceptHookArgs | sys.UnraisableHookArgs) -> None:
    _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _line(record: logging.LogRecord) -> LogLine:
    try:
        message = record.getMessage()
    except (TypeError, ValueError):  # a library whose arguments do not fit its sentence
        message = str(record.msg)
    return LogLine(
        at=dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
        level=record.levelname.lower(),
        logger=record.name,
        message=_bounded(message),
        template=_bounded(str(record.msg)) if record.name.partition(".")[0] == _OURS else "",
        uid=REVIEWED.get()[:LONGEST],
        error=_error(record.exc_info[1]) if record.exc_info else None,
    )


def _error(error: BaseException | None) -> ErrorOf | None:
    if error is None:
        return None
    frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
    return ErrorOf(type(error).__name__, _bounded(str(error)), tuple(map(_place, frames)))


def _place(frame: traceback.FrameSummary) -> str:
    """Say where code stands without the folder in which it is installed, and without its text."""
    path = pathlib.Path(frame.filename)
    shown = path.relative_to(_PACKAGE) if path.is_relative_to(_PACKAGE) else pathlib.Path(*path.parts[-2:])
    return f"{shown}:{frame.lineno} {frame.name}"


def _bounded(text: str) -> str:
    """Return one line that is cut, and that every encoder takes."""
    line = " ".join(text[: 2 * LONGEST].split())
    shown = line if len(line) <= LONGEST else f"{line[: LONGEST - 4]} ..."
    return shown.encode(errors="backslashreplace").decode()
