"""The client: what it takes for an answer, and what it says when there is none."""

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web

from admission.cluster import credentials
from admission.cluster.client import ApiError, Client, Unreachable
from tests.cluster.scripted import Answer, api_server, connected, cut, open_watch, status
from tools.controlplane import ControlPlane


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_write_whose_answer_is_lost_is_unreachable_and_was_sent_once(method: str, tmp_path: Path) -> None:
    received: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        received.append(request.method)
        if request.method != "GET":
            await request.read()
            cut(request)
        return web.Response()

    async def write() -> None:
        async with api_server(answer, tmp_path) as client:
            await client.get("/first")  # a kept-alive connection is the one that aiohttp would try again on
            with pytest.raises(Unreachable):
                await client.request(method, "/object", body=b"{}")

    asyncio.run(write())
    assert received == ["GET", method]


async def _half(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"half")
    cut(request)
    return response


async def _silence(_: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


@pytest.mark.parametrize("answer", [_half, _silence], ids=["half an answer", "silence"])
def test_what_is_not_a_whole_answer_is_unreachable(answer: Answer, tmp_path: Path) -> None:
    async def ask() -> None:
        async with api_server(answer, tmp_path) as client:
            with pytest.raises(Unreachable):
                await client.request("GET", "/", timeout=0.2)

    asyncio.run(ask())


def test_a_server_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    async def ask() -> None:
        async with api_server(_silence, tmp_path):
            pass
        client = await Client.connect(tmp_path / "kubeconfig")
        with pytest.raises(Unreachable):
            await client.get("/")
        await client.close()

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("code", "headers", "body", "expected"),
    [
        (409, {}, json.dumps(status(409, "Conflict", "modified")), (409, "Conflict", "modified", None, False)),
        (429, {"Retry-After": "3"}, "too many", (429, "", "too many", 3.0, False)),
        (429, {}, json.dumps(status(429, "x", "y", retryAfterSeconds=2)), (429, "x", "y", 2.0, False)),
        (504, {}, json.dumps(status(504, "Timeout", "slow")), (504, "Timeout", "slow", None, True)),
        (502, {}, "<html>", (502, "", "<html>", None, True)),
        (403, {}, "[" * 100_000, (403, "", "[" * 500, None, False)),
        (302, {"Location": "/elsewhere"}, "", (302, "", "", None, False)),
    ],
    ids=["status", "retry-after header", "retry-after in details", "timeout", "a proxy's page", "nested", "redirect"],
)
def test_a_no_says_which_and_whether_the_write_may_have_happened(
    code: int, headers: dict[str, str], body: str, expected: tuple[object, ...], tmp_path: Path
) -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=code, headers=headers, text=body)

    async def write() -> ApiError:
        async with api_server(answer, tmp_path) as client:
            with pytest.raises(ApiError) as caught:
                await client.replace("/object", b"{}")
            return caught.value

    error = asyncio.run(write())
    assert expected == (error.status, error.reason, error.message, error.retry_after, error.outcome_unknown)


def test_a_watch_whose_connection_is_closing_is_unreachable(tmp_path: Path) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = await open_watch(request, b"one")
        await asyncio.sleep(60)
        return response

    async def watch() -> None:
        async with api_server(answer, tmp_path) as client, client.stream("/", {}, timeout=60) as lines:
            assert await anext(lines) == b"one"
            for connection in client._transport.open().connector._acquired:  # type: ignore[union-attr]
                connection.close()
            with pytest.raises(Unreachable):
                await anext(lines)

    asyncio.run(watch())


def test_a_watch_that_lives_too_long_is_unreachable_after_its_lines(tmp_path: Path) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = await open_watch(request, b"one", b"two")
        await asyncio.sleep(60)
        return response

    lines: list[bytes] = []

    async def follow() -> None:
        async with api_server(answer, tmp_path) as client, client.stream("/", {}, timeout=0.3) as stream:
            async for line in stream:
                lines.append(line)  # noqa: PERF401  (the stream ends in an exception)

    with pytest.raises(Unreachable):
        asyncio.run(follow())
    assert lines == [b"one", b"two"]


@pytest.mark.parametrize("why", ["a minute has passed", "the old one was refused"])
def test_a_token_file_is_read_again_when(why: str, tmp_path: Path) -> None:
    seconds = 0.0
    token = tmp_path / "token"
    token.write_text("old\n")

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        refused = "new" in token.read_text() and request.headers["Authorization"] == "Bearer old"
        return web.Response(text=request.headers["Authorization"], status=401 if refused else 200)

    async def ask() -> tuple[bytes, bytes]:
        nonlocal seconds
        user = {"tokenFile": str(token)}
        async with api_server(answer, tmp_path, user=user, clock=lambda: seconds) as client:
            first = await client.get("/")
            token.write_text("new\n")
            if why == "a minute has passed":
                seconds += credentials.REFRESH_SECONDS
            else:
                with pytest.raises(ApiError, match="401"):
                    await client.get("/")
            return first, await client.get("/")

    assert asyncio.run(ask()) == (b"Bearer old", b"Bearer new")


def test_a_token_that_cannot_be_read_again_stays_in_use(tmp_path: Path) -> None:
    seconds = 0.0
    token = tmp_path / "token"
    token.write_text("old")

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=request.headers["Authorization"])

    async def ask() -> bytes:
        nonlocal seconds
        user = {"tokenFile": str(token)}
        async with api_server(answer, tmp_path, user=user, clock=lambda: seconds) as client:
            token.unlink()
            seconds += credentials.REFRESH_SECONDS
            return await client.get("/")

    assert asyncio.run(ask()) == b"Bearer old"


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "no such file"), ("{", "while parsing"), ("a", "cannot read"), ("clusters: 1", "cannot read")],
    ids=["missing", "not YAML", "text", "wrong shape"],
)
def test_an_unusable_kubeconfig_is_named(content: str | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(credentials.NoCredentialsError, match=says) as caught:
        asyncio.run(Client.connect(path))
    assert str(path) in str(caught.value)


def test_outside_a_pod_without_a_kubeconfig_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(credentials.NoCredentialsError, match="set KUBECONFIG or run in a pod"):
        asyncio.run(Client.connect())


def test_in_a_pod_the_service_account_is_who_we_are(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, port = control_plane.server.removeprefix("https://").split(":")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setattr(credentials, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(credentials, "SERVICE_CERT_FILENAME", str(control_plane.ca))

    async def ask() -> str:
        async with connected(control_plane.kubeconfig) as admin:
            account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"
            answer = await admin.create(account, b"{}")
            (tmp_path / "token").write_text(json.loads(answer)["status"]["token"])
        async with connected() as pod:
            review = await pod.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", b"{}")
            return str(json.loads(review)["status"]["userInfo"]["username"])

    assert asyncio.run(ask()) == f"system:serviceaccount:{namespace}:default"
