"""A process that serves until a signal.  Prints its port, and ``drain`` when it has been told to go."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import uvloop
from prometheus_client import CollectorRegistry

from admission.server.config import Counts
from admission.server.serving import Handlers, Server, serve
from admission.server.tls import Certificate
from tests.server.webserver import CONFIG, busy, review


def announce(server: Server) -> None:
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()


def tell() -> None:
    sys.stdout.write("drain\n")
    sys.stdout.flush()


async def main(folder: Path, drain_seconds: float, keep_seconds: float) -> None:
    await serve(
        replace(CONFIG, drain_seconds=drain_seconds, keep_seconds=keep_seconds),
        Handlers(review=review, busy=busy, ready=list, registry=CollectorRegistry()),
        certificate=Certificate(folder / "tls.crt", folder / "tls.key"),
        counts=Counts(),
        on_drain=tell,
        on_start=announce,
    )


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
