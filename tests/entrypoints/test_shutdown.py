"""A function that is told to end lets what it has begun finish, and what it counted is kept."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from knative.local.services.postgres import fresh_database
from matchcast.adapters.database.records import APPEND_LOCK
from matchcast.web.app import KEEP_ALIVE, server_config
from tests.chaos.house import PostgresHouse, furnished
from tests.entrypoints.fleet import ROOT, Server, free_ports, until
from tests.entrypoints.served import PAIRING


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[PostgresHouse]:
    with fresh_database(postgres) as url:
        yield furnished(tmp_path_factory.mktemp("shutdown"), url)


@pytest.fixture
def server(house: PostgresHouse) -> Iterator[Server]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MATCHCAST_", "AWS_", "K_"))}
    environment = {**kept, **house.environment, "PYTHONPATH": f"{ROOT / 'shared'}:{ROOT}"}
    server = Server("predict_sync", free_ports(1)[0], environment, house.folder / "server")
    server.start()
    yield server
    server.stop(signal.SIGKILL)


def is_refused(server: Server) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.port), 1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_at_sigterm_a_request_in_flight_is_answered_and_new_connections_are_refused(
    server: Server, house: PostgresHouse
) -> None:
    assert server.process is not None
    headers = {"X-API-Key": house.key("predict")}
    body = {**PAIRING, "kickoff_at": "2025-03-10T15:00:00Z"}
    with (
        httpx.Client(base_url=server.url, headers=headers, timeout=60) as client,
        psycopg.connect(house.url, autocommit=True) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        assert client.post("/predict/", json=PAIRING).status_code == 200
        other.execute("SELECT pg_advisory_lock(%s)", (APPEND_LOCK,))
        slow = pool.submit(client.post, "/predict/", json=body)
        until(lambda: other.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").rowcount == 1)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: is_refused(server))
        assert server.process.poll() is None
        assert not slow.done()
        other.execute("SELECT pg_advisory_unlock(%s)", (APPEND_LOCK,))
        answer = slow.result(30)
        assert (answer.status_code, answer.json()["ledger"]) == (200, "written")
        assert server.process.wait(30) == 0
        # what was counted is in the database, though it is brought there only now and then
        ((shown,),) = other.execute(
            "SELECT sum(value) FROM metric_totals WHERE name = 'prediction_requests_total'"
        ).fetchall()
        assert shown == 2
        assert other.execute("SELECT count(*) FROM forecasts").fetchall() == [(2,)]


LINGERING = """
import asyncio, sys
from matchcast.web.app import serve

async def app(scope, receive, send):
    if scope["type"] == "http":
        await asyncio.sleep(2 * (scope["path"] == "/slow"))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

serve(app, port=int(sys.argv[1]), host="127.0.0.1", drain=float(sys.argv[2]))
"""


@pytest.mark.parametrize(("drain", "status"), [("0.5", 500), ("4", 204)])
def test_a_handler_ends_before_its_process_where_it_is_given_as_long_as_it_takes(drain: str, status: int) -> None:
    (port,) = free_ports(1)
    with subprocess.Popen([sys.executable, "-c", LINGERING, str(port), drain], cwd=ROOT) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client, ThreadPoolExecutor(1) as pool:
                until(lambda: is_there(client))
                slow = pool.submit(client.get, "/slow")
                time.sleep(0.3)
                process.send_signal(signal.SIGTERM)
                assert slow.result(30).status_code == status
                assert process.wait(30) == 0
        finally:
            process.kill()


def is_there(client: httpx.Client) -> bool:
    try:
        return client.get("/").status_code == 204
    except httpx.TransportError:
        return False


def test_an_idle_function_ends_at_once_with_0_although_a_connection_is_kept_alive(
    server: Server, house: PostgresHouse
) -> None:
    assert server.process is not None
    with httpx.Client(base_url=server.url) as client:
        assert client.get("/livez").status_code == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 0


def test_sigterm_before_the_server_listens_ends_it_too(server: Server) -> None:
    server.stop()
    for wait in (0.0, 0.02, 0.1):
        server.launch()
        assert server.process is not None
        time.sleep(wait)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) in (0, -signal.SIGTERM)


@pytest.mark.slow
def test_a_connection_outlives_uvicorns_own_limit_for_idle_ones(server: Server) -> None:
    with httpx.Client(base_url=server.url, limits=httpx.Limits(keepalive_expiry=60)) as client:
        client.get("/livez")
        time.sleep(6)
        sockets = client._transport._pool.connections  # type: ignore[attr-defined]
        assert len(sockets) == 1
        assert client.get("/livez").status_code == 200
        assert client._transport._pool.connections == sockets  # type: ignore[attr-defined]


def test_idle_connections_are_kept_for_longer_than_a_queue_proxy_does() -> None:
    config = server_config("functions.predict_sync.main:app", port=0)
    assert config.timeout_keep_alive == KEEP_ALIVE > 90
    assert config.timeout_graceful_shutdown is not None
