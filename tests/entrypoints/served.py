"""An application served by uvicorn on a port of its own, a client for it, and what its problems look like."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

PAIRING = {
    "home_team": "Gate",
    "away_team": "Westfield",
    "tournament": "Premier League",
    "kickoff_at": "2025-03-09T15:00:00Z",
}


@contextmanager
def served(app: ASGIApp, key: str | None = None) -> Iterator[httpx.Client]:
    """A client of a running server; it sends `key` as X-API-Key with every request."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.005)
        headers = {} if key is None else {"X-API-Key": key}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


def assert_problem(answer: httpx.Response, status: int, field: str | None = None, words: str = "") -> dict[str, Any]:
    """The answer is problem+json with this status, naming this field and holding these words."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["type"].startswith("urn:matchcast:problem:")
    assert body["title"]
    assert body["instance"] == answer.request.url.path
    assert body["request_id"] == answer.headers["x-request-id"]
    assert words in body["detail"]
    assert "Traceback" not in answer.text
    if field is not None:
        assert field in [error["field"] for error in body["errors"]]
        assert all(error["detail"].startswith(error["field"]) for error in body["errors"])
    return body
