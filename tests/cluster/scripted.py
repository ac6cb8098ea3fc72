"""An API server on loopback whose every answer is a test's own: for the faults that a real one cannot be asked for."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from aiohttp import web

from admission.cluster.client import Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

Answer: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def connected(kubeconfig: Path | None = None) -> AsyncIterator[Client]:
    """Yield a client that is closed at the end."""
    client = await Client.connect(kubeconfig)
    try:
        yield client
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def api_server(
    answer: Answer,
    directory: Path,
    *,
    user: dict[str, Any] | None = None,
    clock: Callable[[], float] | None = None,
) -> AsyncIterator[Client]:
    """Serve ``answer`` on a free port, and yield a client of it."""
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    path = directory / "kubeconfig"
    path.write_text(json.dumps(_kubeconfig(f"http://{host}:{port}", user or {})))
    client = await (Client.connect(path, clock=clock) if clock else Client.connect(path))
    try:
        yield client
    finally:
        await client.close()
        await runner.cleanup()


def _kubeconfig(server: str, user: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "test", "user": user}],
    }


def status(code: int, reason: str = "", message: str = "", **details: object) -> dict[str, Any]:
    """Return a ``metav1.Status``."""
    return {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}


def refusal(code: int, reason: str = "", message: str = "") -> web.Response:
    """Return an answer that is a Status."""
    return web.json_response(status(code, reason, message), status=code)


def made(name: str, version: int, *, uid: str = "", **labels: object) -> dict[str, Any]:
    """Return a Namespace; a label that is not text makes it malformed."""
    metadata = {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version), "labels": labels}
    return {"kind": "Namespace", "metadata": metadata}


def page(version: int, *items: dict[str, Any], more: str = "") -> web.Response:
    """Return one page of a list."""
    return web.json_response({"metadata": {"resourceVersion": str(version), "continue": more}, "items": items})


async def open_watch(request: web.BaseRequest, *events: tuple[str, dict[str, Any]] | bytes) -> web.StreamResponse:
    """Accept a watch and send events, or lines as they are."""
    response = web.StreamResponse()
    await response.prepare(request)
    for event in events:
        line = event if isinstance(event, bytes) else json.dumps({"type": event[0], "object": event[1]}).encode()
        await response.write(line + b"\n")
    return response


def cut(request: web.BaseRequest) -> None:
    """Break the connection without a word."""
    assert request.transport is not None
    request.transport.abort()
