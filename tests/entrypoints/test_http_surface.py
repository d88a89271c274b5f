"""The running system against the whole document, and against requests that are too large or too slow."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from functions.predict_sync.main import app
from matchcast.adapters.database.light_ports import LightApiKeys
from matchcast.web.app import LARGEST_BODY, LARGEST_HEADERS, LONGEST_URL
from matchcast.web.openapi import PUBLISHED
from tests.entrypoints import house
from tests.entrypoints.house import House
from tests.entrypoints.served import PAIRING, assert_problem, served
from tests.entrypoints.surface import whole_surface

CONFIG = Path(__file__).with_name("schemathesis.toml")
ROOT = CONFIG.parents[2]


@pytest.mark.slow
def test_schemathesis_finds_no_fault(tmp_path: Path) -> None:
    """Valid, wrong and strange requests, alone and one from another's answer, are answered as the document says."""
    with whole_surface(tmp_path) as client:
        command = [
            sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", str(PUBLISHED),
            "--url", str(client.base_url), "--header", f"X-API-Key: {client.headers['X-API-Key']}", "--no-color",
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"API Links: +[1-9]\d* covered", run.stdout), "no link was followed"
    assert re.search(r"Selected: (\d+)/\1\s+Tested: \1\s", run.stdout), "an operation was left out"


def test_bodies_urls_and_headers_have_a_largest_size(predict_sync: httpx.Client) -> None:
    body = json.dumps(PAIRING).encode()
    within = body + b" " * (LARGEST_BODY - len(body))
    declared = {"Content-Type": "application/json"}
    assert predict_sync.post("/predict/", content=within, headers=declared).status_code == 200
    assert_problem(predict_sync.post("/predict/", content=within + b" ", headers=declared), 413, None, "send a smaller")

    def unannounced() -> Iterator[bytes]:
        yield within
        yield b" "

    answer = predict_sync.post("/predict/", content=unannounced(), headers=declared)
    assert_problem(answer, 413, None, "send a smaller")
    url = f"/predict/model/info?{'x' * LONGEST_URL}"
    assert_problem(predict_sync.get(url), 414, None, "ask for less")
    large = {"X-Large": "x" * LARGEST_HEADERS}
    assert_problem(predict_sync.get("/predict/model/info", headers=large), 431, None, "send smaller ones")
    assert predict_sync.post("/predict/", json=PAIRING).status_code == 200


def test_a_body_that_does_not_come_is_not_waited_for(furnished: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are answered meanwhile; the connection is closed with the answer."""
    monkeypatch.setenv("MATCHCAST_REQUEST_SECONDS", "2")
    key = furnished.key("predict")
    with served(app(), key) as client:
        assert client.base_url.host
        with socket.create_connection((client.base_url.host, client.base_url.port or 0), 30) as slow:
            head = f"POST /predict/ HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Length: 100\r\n\r\n"
            slow.sendall(head.encode() + b'{"match_id":')
            assert client.post("/predict/", json=PAIRING).status_code == 200
            with slow.makefile("rb") as answer:
                whole = answer.read().decode()
    assert whole.startswith("HTTP/1.1 408 ")
    assert "body: did not come within 2 s; send it faster, or a smaller one" in whole
    assert "ratelimit-policy: " in whole.lower()


def test_parameters_are_given_once(local: httpx.Client) -> None:
    assert_problem(local.get("/matches/?limit=1&limit=2"), 422, "limit", "is given twice; give one")
    assert_problem(local.get("/predict/1?match_id=2"), 422, "match_id", "leave it out of the query")
    assert_problem(local.get("/matches/?status=null"), 422, "status", "leave it out")


@pytest.mark.parametrize(
    "path",
    [
        "/livez", "/readyz", "/healthcheck/", "/openapi.json", "/docs", "/predict/?limit=2", "/v1/matches?limit=2",
        "/predict/{known}", "/predict/1", "/matches/?limit=0", "/accuracy", "/nothing",
    ],
)  # fmt: skip
def test_head_tells_what_get_would_and_has_no_body(lookup: httpx.Client, path: str) -> None:
    url = path.format(known=house.fixtures()[0].match_id)
    got, told = lookup.get(url), lookup.head(url)
    told_anew = {"date", "x-request-id", "ratelimit", "ratelimit-policy"}
    assert told.status_code == got.status_code
    assert {k: v for k, v in told.headers.items() if k not in told_anew | {"content-length"}} == {
        k: v for k, v in got.headers.items() if k not in told_anew | {"content-length"}
    }
    assert abs(int(told.headers["content-length"]) - len(got.content)) < 40  # ids and ages differ from answer to answer
    assert told.content == b""


def test_head_has_no_body_on_the_wire_and_the_connection_goes_on(lookup: httpx.Client) -> None:
    with socket.create_connection((lookup.base_url.host, lookup.base_url.port or 0), 30) as asking:
        asking.sendall(
            b"HEAD /nothing HTTP/1.1\r\nHost: x\r\n\r\nHEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        with asking.makefile("rb") as answer:
            whole = answer.read()
    first, second, rest = whole.split(b"\r\n\r\n")
    assert (first[:12], second[:12], rest) == (b"HTTP/1.1 404", b"HTTP/1.1 200", b"")


def test_head_knows_what_the_client_has(lookup: httpx.Client) -> None:
    etag = lookup.head("/matches/?limit=2").headers["etag"]
    assert lookup.head("/matches/?limit=2", headers={"If-None-Match": etag}).status_code == 304


def test_only_what_answers_get_answers_head(predict_sync: httpx.Client) -> None:
    assert predict_sync.head("/predict/").status_code == 405
    answer = predict_sync.post("/predict/model/info")
    assert_problem(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize(("method", "path"), [("POST", "/predict//"), ("GET", "/livez//"), ("GET", "/v1/livez//")])
def test_no_path_leads_elsewhere(predict_sync: httpx.Client, method: str, path: str) -> None:
    """A redirect would lead where the request's Host says."""
    answer = predict_sync.request(method, path, headers={"Host": "elsewhere.example"}, json={})
    assert_problem(answer, 404, None, "there is nothing at")
    assert "location" not in answer.headers


def test_keys_that_are_not_read_in_time_are_not_waited_for(furnished: House, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def waiting(*_: object) -> list[object]:
        assert go_on.wait(30)
        return []

    monkeypatch.setenv("MATCHCAST_REQUEST_SECONDS", "1")
    monkeypatch.setattr(LightApiKeys, "active", waiting)
    with served(app(), furnished.key("predict")) as client:
        assert_problem(client.post("/predict/", json=PAIRING), 504, None, "took longer than 1 s")
        go_on.set()
