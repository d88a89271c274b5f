"""API keys over the command line and over HTTP: rotated without a gap, and shown nowhere."""

import hashlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from commands.main import app
from functions.lookup.main import app as lookup_app
from tests.entrypoints import house
from tests.entrypoints.house import House
from tests.entrypoints.served import PAIRING, assert_problem, served

PATH = f"/predict/{house.fixtures()[0].match_id}"


def keys(*words: str, code: int = 0) -> str:
    """What `matchcast keys` prints."""
    done = CliRunner().invoke(app, ["keys", *words])
    assert done.exit_code == code, done.output
    return done.output


def made(*words: str) -> str:
    """A new key's text, the last line that is printed."""
    return keys(*words).splitlines()[-1]


def key_id(text: str) -> str:
    return text.split("_")[1]


def asked(client: httpx.Client, key: str) -> httpx.Response:
    return client.get(PATH, headers={"X-API-Key": key})


def test_a_rotated_key_and_the_next_are_both_taken_until_the_grace_is_over(furnished: House) -> None:
    old = made("create", "page")
    new = made("rotate", key_id(old))
    last = made("rotate", key_id(new), "--grace-hours", "0")
    with served(lookup_app()) as client:
        assert asked(client, old).status_code == 200
        assert_problem(asked(client, new), 401, "X-API-Key", "is no active key")
        assert asked(client, last).status_code == 200
    listed = keys("list")
    assert listed.count("page") == 3
    assert "until" in listed
    assert "expired" in listed
    assert old not in listed


def test_a_key_that_cannot_be_rotated_is_named(furnished: House) -> None:
    assert "there is no key 'none'" in keys("rotate", "none", code=1)
    old = made("create", "page")
    keys("revoke", key_id(old))
    assert "has ended" in keys("rotate", key_id(old), code=1)
    assert "--grace-hours" in keys("rotate", key_id(old), "--grace-hours", "-1", code=2)


def test_a_key_is_listed_under_the_name_it_was_given(furnished: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("bob [/ops]", "[red]ann[/red]"):
        made("create", name)
        assert name in keys("list")


def test_a_running_function_refuses_a_revoked_key_and_takes_a_new_one_soon(furnished: House) -> None:
    """Keys are read anew every few seconds: nothing has to be restarted."""
    old = made("create", "page")
    with served(lookup_app()) as client:
        assert asked(client, old).status_code == 200
        new = made("create", "page")
        keys("revoke", key_id(old))
        deadline = time.monotonic() + 60
        while asked(client, old).status_code != 401 or asked(client, new).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.parametrize(("function", "path"), [("predict_sync", "/predict/"), ("lookup", PATH)])
def test_a_key_is_in_no_log(furnished: House, tmp_path: Path, function: str, path: str) -> None:
    """Neither a good one nor a wrong one, nor its hash, also when everything is logged and requests fail."""
    good, wrong = made("create", "page"), "mc_000000000000_a-word-that-nobody-knows"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "log"
    environment = {**furnished.environment, "PORT": str(port), "MATCHCAST_LOG_LEVEL": "DEBUG"}
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", f"functions.{function}"], env={**os.environ, **environment}, stdout=written,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_until_ready(client)
            method, body = ("POST", PAIRING) if function == "predict_sync" else ("GET", None)
            for key, status in ((good, 200), (wrong, 401), (good, 422)):
                headers = {"X-API-Key": key, "Idempotency-Key": "k1"}
                refused = {"params": {"limit": "x"}, "json": {"x": 1} if body else None}
                given = {"json": body} if status != 422 else refused
                answer = client.request(method, path, headers=headers, **given)
                assert answer.status_code == status, answer.text
                assert key not in answer.text
    finally:
        process.terminate()
        process.wait(30)
    text = log.read_text()
    assert text.count('"status":401') == text.count('"status":422') == 1
    for key in (good, wrong):
        assert key.split("_", 2)[2] not in text
        assert hashlib.sha256(key.encode()).hexdigest() not in text


def wait_until_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, "the process did not get ready"
        time.sleep(0.05)
