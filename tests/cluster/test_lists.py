"""A list that is read page by page: what becomes of it when the API server no longer keeps it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from aiohttp import web

from admission.cluster import lists
from admission.cluster.client import ApiError
from tests.cluster.scripted import api_server

if TYPE_CHECKING:
    from pathlib import Path

PAGES = {"": ("a", "old"), "old": None, "rest": ("b", "next"), "next": ("c", "")}
"""What each token is answered with: an object, and the next token; None is 410, with a token for the rest."""
FOREVER = {"": ("a", "old"), "old": None, "rest": None}
LOST = {"": ("a", "old"), "old": None}


def read(pages: dict[str, tuple[str, str] | None], directory: Path, *, onward: bool) -> tuple[list[str], list[str]]:
    """Return the names that were read, and the tokens that were asked for; an ApiError's status stands at the end."""
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        token = request.query.get("continue", "")
        asked.append(token)
        found = pages[token]
        if found is None:
            rest = {"continue": "rest"} if "rest" in pages else {}
            return web.json_response({"code": 410, "reason": "Expired", "metadata": rest}, status=410)
        name, more = found
        return web.json_response({"metadata": {"continue": more}, "items": [{"metadata": {"name": name}}]})

    async def names() -> list[str]:
        found = []
        async with api_server(answer, directory) as client:
            try:
                async for page in lists.pages(client, "/api/v1/pods", size=1, onward=onward):
                    found += [json.loads(bytes(each))["metadata"]["name"] for each in page]
            except ApiError as error:
                found.append(str(error.status))
        return found

    return asyncio.run(names()), asked


@pytest.mark.parametrize(
    ("pages", "onward", "expected"),
    [
        (PAGES, True, (["a", "b", "c"], ["", "old", "rest", "next"])),
        (PAGES, False, (["a", "410"], ["", "old"])),
        (FOREVER, True, (["a", "410"], ["", "old", "rest"])),
        (LOST, True, (["a", "410"], ["", "old"])),
    ],
)
def test_a_list_that_is_no_longer_kept_goes_on_where_it_was_if_that_will_do(
    pages: dict[str, tuple[str, str] | None], onward: bool, expected: tuple[list[str], list[str]], tmp_path: Path
) -> None:
    assert read(pages, tmp_path, onward=onward) == expected


def test_an_object_that_is_nested_deeply_is_read_as_its_neighbours_are(tmp_path: Path) -> None:
    deep = msgspec.Raw(b'{"a":' * 5_000 + b"1" + b"}" * 5_000)
    items = [{"metadata": {"name": "a"}, "spec": deep}, {"metadata": {"name": "b"}}]
    body = msgspec.json.encode({"metadata": {}, "items": items})

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=body)

    async def names() -> list[str]:
        async with api_server(answer, tmp_path) as client:
            return [
                json.loads(bytes(each))["metadata"]["name"]
                async for page in lists.pages(client, "/apis/resource.k8s.io/v1/resourceclaims")
                for each in page
            ]

    assert asyncio.run(names()) == ["a", "b"]
