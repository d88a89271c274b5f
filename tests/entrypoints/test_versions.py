"""Versions of the API: every path of the document answers the same below /v1, and a version that goes says so."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from matchcast.web.app import VERSIONS, Deprecation
from matchcast.web.openapi import published_document
from tests.entrypoints import house
from tests.entrypoints.served import PAIRING, assert_problem
from tests.entrypoints.surface import REPORT, whole_surface

PATHS: dict[str, Any] = json.loads(published_document())["paths"]
READS = [path for path, methods in PATHS.items() if "get" in methods and path != "/metrics"]
POSTS = [path for path, methods in PATHS.items() if "post" in methods]
LINKS = {"next", "status_url", "json", "html"}


@pytest.fixture(scope="module")
def surface(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with whole_surface(tmp_path_factory.mktemp("versions")) as client:
        yield client


def filled(client: httpx.Client, path: str) -> str:
    """The path of something that is there."""
    found: dict[str, Callable[[], str]] = {
        "match_id": lambda: str(house.fixtures()[0].match_id),
        "report_id": lambda: REPORT,
        "letter_id": lambda: client.get("/monitoring/dead-letters").json()["items"][0]["letter_id"],
        "task_id": lambda: client.post("/predict/async/", json=PAIRING).json()["task_id"],
    }
    return re.sub(r"{(\w+)}", lambda name: found[name[1]](), path)


def without(body: Any, *names: str) -> Any:
    """A JSON value without what differs from one request to the next."""
    if isinstance(body, dict):
        return {name: without(value, *names) for name, value in body.items() if name not in names}
    return [without(value, *names) for value in body] if isinstance(body, list) else body


def content(answer: httpx.Response) -> Any:
    if "json" not in answer.headers["content-type"]:
        return answer.content
    moving = ("age_seconds", "request_id", "instance", "task_id", "updated_at", "status", "result")
    return without(answer.json(), *moving, *LINKS)


def links(body: Any) -> Iterator[str]:
    """What a JSON value says can be followed."""
    if isinstance(body, dict):
        for name, value in body.items():
            if name in LINKS and isinstance(value, str):
                yield value
            yield from links(value)
    for value in body if isinstance(body, list) else ():
        yield from links(value)


@pytest.mark.parametrize("path", READS)
def test_every_read_answers_the_same_below_v1(surface: httpx.Client, path: str) -> None:
    """Also its ETag is taken back, and its links stay in the version."""
    there = filled(surface, path)
    plain, versioned = surface.get(there), surface.get(f"/v1{there}")
    assert plain.status_code == versioned.status_code
    assert content(plain) == content(versioned)
    assert set(plain.headers) == set(versioned.headers)
    if "json" in versioned.headers["content-type"]:
        assert all(link.startswith("/v1/") for link in links(versioned.json()))
        assert not any(link.startswith("/v1/") for link in links(plain.json()))
    if versioned.status_code == 200 and "etag" in versioned.headers and "task_id" not in path:
        tag = {"If-None-Match": versioned.headers["etag"]}
        assert surface.get(f"/v1{there}", headers=tag).status_code == 304


@pytest.mark.parametrize("path", POSTS)
def test_every_post_answers_below_v1_and_points_there(surface: httpx.Client, path: str) -> None:
    bodies = PATHS[path]["post"].get("requestBody", {}).get("content", {}).get("application/json", {})
    body = next(iter(bodies["examples"].values()))["value"] if bodies else None
    answer = surface.post(f"/v1{filled(surface, path)}", json=body)
    assert answer.status_code == int(next(status for status in PATHS[path]["post"]["responses"] if status < "300"))
    if "location" in answer.headers:
        assert answer.headers["location"] == answer.json()["status_url"]
        assert surface.get(answer.headers["location"]).status_code == 200
        assert answer.headers["location"].startswith("/v1/")


def test_a_walk_stays_in_its_version(surface: httpx.Client) -> None:
    path: str | None = "/v1/predict/?limit=5"
    seen = 0
    while path is not None:
        assert path.startswith("/v1/predict/?")
        body = surface.get(path).json()
        path = body["next"]
        seen += len(body["items"])
    assert seen == len(house.fixtures()) - 1


def test_a_version_that_goes_says_when_in_every_answer(surface: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Good or bad, and only below its own prefix (RFC 9745, RFC 8594)."""
    monkeypatch.setitem(VERSIONS, "/v1", Deprecation("@1798761600", "Thu, 01 Jul 2027 00:00:00 GMT"))
    for path in ("/v1/predict/", "/v1/predict/1", "/v1/predict/?limit=0", "/v1/livez"):
        answer = surface.get(path)
        assert answer.headers["deprecation"] == "@1798761600"
        assert answer.headers["sunset"] == "Thu, 01 Jul 2027 00:00:00 GMT"
        assert "deprecation" not in surface.get(path.removeprefix("/v1")).headers


def test_there_is_no_other_version(surface: httpx.Client) -> None:
    assert_problem(surface.get("/v2/predict/"), 404)
    assert_problem(surface.get("/v1/v1/predict/"), 404)
