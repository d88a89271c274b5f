"""Idempotency-Key: what a POST did, it does once, and the answer is given again."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from sqlalchemy import func, select, update

from functions.predict_async.main import app as predict_async
from functions.predict_sync.main import app
from functions.predict_sync.replies import BatchItem, BatchReply, is_passing
from knative.local.services.postgres import private_postgres
from matchcast.adapters.clock import utc_now
from matchcast.adapters.database.api_keys import SqlApiKeys
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.idempotent import KeptAnswers
from matchcast.adapters.database.light import LightDatabase
from matchcast.adapters.database.light_ports import LightApiKeys, LightLedger
from matchcast.adapters.database.migrate import migrate
from matchcast.adapters.database.tables import forecasts, idempotent_answers, tasks
from matchcast.errors import MatchcastError, TimedOut, Unavailable
from matchcast.web.answers import Answer
from matchcast.web.app import WebApp
from matchcast.web.idempotency import Idempotency
from matchcast.web.keys import KeyGuard
from matchcast.web.operations import Call, Terms
from tests.entrypoints import house
from tests.entrypoints.house import House
from tests.entrypoints.recorder import recording
from tests.entrypoints.served import PAIRING, assert_problem, served

AGAIN = {"Idempotency-Key": "order 7"}
SCOPES = frozenset({"predict"})


def settings(home: House, database_url: str, **changes: str) -> dict[str, str]:
    return {**home.environment, "MATCHCAST_DATABASE_URL": database_url, **changes}


def count(database: Database, table: Any) -> int:
    with database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


@pytest.fixture
def key(database: Database) -> str:
    return SqlApiKeys(database).create("tests", SCOPES, house.NOW).text


@pytest.fixture
def predict(standing: House, database_url: str, key: str) -> Iterator[httpx.Client]:
    """predict-sync on a fresh database, once on each kind."""
    with served(app(settings(standing, database_url)), key) as client:
        yield client


def test_the_same_request_gets_the_same_bytes(predict: httpx.Client, database: Database) -> None:
    """Also below /v1; and only what was given again says that it was."""
    first = predict.post("/predict/", json=PAIRING, headers=AGAIN)
    assert first.status_code == 200
    assert "idempotency-replayed" not in first.headers
    for path in ("/predict/", "/predict", "/v1/predict/"):
        again = predict.post(path, json=PAIRING, headers=AGAIN)
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.headers["content-type"] == first.headers["content-type"]
        assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert count(database, forecasts) == 1


@pytest.mark.parametrize("body", [PAIRING, {"matches": [PAIRING, PAIRING | {"home_team": "Nobody"}]}])
def test_a_forecast_that_the_ledger_could_not_take_is_tried_again(
    standing: House,
    database_url: str,
    database: Database,
    key: str,
    body: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with served(app(settings(standing, database_url)), key) as client:
        with monkeypatch.context() as away:
            away.setattr(LightLedger, "record", refused)
            first = client.post("/predict/", json=body, headers=AGAIN)
        again = client.post("/predict/", json=body, headers=AGAIN)
        last = client.post("/predict/", json=body, headers=AGAIN)
    told = [(answer.json().get("items") or [{"forecast": answer.json()}])[0]["forecast"] for answer in (first, again)]
    assert [(one["ledger"], one["forecast_id"]) for one in told] == [("behind", None), ("written", 1)]
    assert "idempotency-replayed" not in again.headers
    assert (last.content, last.headers["idempotency-replayed"]) == (again.content, "true")
    assert count(database, forecasts) == 1


@pytest.mark.parametrize(("status", "passing"), [(404, False), (422, False), (500, True), (503, True)])
def test_several_matches_are_tried_again_where_a_fault_of_ours_kept_one_from_its_forecast(
    status: int, passing: bool
) -> None:
    found, wrong = (
        BatchItem(forecast=None, problem={"status": 404}),
        BatchItem(forecast=None, problem={"status": status}),
    )
    assert is_passing(BatchReply(items=[found, wrong])) == passing


def refused(*_: object) -> None:
    raise Unavailable("the ledger is locked")


def test_an_answer_that_found_nothing_is_given_again_too(predict: httpx.Client) -> None:
    first = predict.post("/predict/", json=PAIRING | {"home_team": "Nobody"}, headers=AGAIN)
    again = predict.post("/predict/", json=PAIRING | {"home_team": "Nobody"}, headers=AGAIN)
    assert first.status_code == again.status_code == 404
    assert again.content == first.content
    assert again.headers["content-type"] == "application/problem+json"


def test_another_body_under_the_same_key_is_refused(predict: httpx.Client) -> None:
    predict.post("/predict/", json=PAIRING, headers=AGAIN)
    other = predict.post("/predict/", json=PAIRING | {"season": 2024}, headers=AGAIN)
    assert_problem(other, 422, "Idempotency-Key", "use a new key for it")


def test_what_was_refused_before_it_began_takes_no_key(predict: httpx.Client, database: Database) -> None:
    assert_problem(predict.post("/predict/", json={"match_id": "x"}, headers=AGAIN), 422, "match_id")
    assert_problem(predict.post("/predict/", json=PAIRING, headers={**AGAIN, "X-API-Key": "mc_no_key"}), 401)
    assert count(database, idempotent_answers) == 0
    assert predict.post("/predict/", json=PAIRING, headers=AGAIN).status_code == 200


def test_each_client_has_keys_of_its_own(predict: httpx.Client, database: Database) -> None:
    other = {**AGAIN, "X-API-Key": SqlApiKeys(database).create("other", SCOPES, house.NOW).text}
    predict.post("/predict/", json=PAIRING, headers=AGAIN)
    answer = predict.post("/predict/", json=PAIRING | {"season": 2024}, headers=other)
    assert answer.status_code == 200
    assert "idempotency-replayed" not in answer.headers


@pytest.mark.parametrize("bad", ["", "x" * 256, "a\tb", "caf\xe9"])
def test_a_key_that_is_none_is_refused(predict: httpx.Client, bad: str) -> None:
    answer = predict.post("/predict/", json=PAIRING, headers={b"Idempotency-Key": bad.encode("latin-1")})
    assert_problem(answer, 422, "Idempotency-Key", "1 to 255 printable ASCII characters")


def test_of_many_at_once_one_is_carried_out(predict: httpx.Client, database: Database) -> None:
    """The others hear that it is under way, or get its answer."""
    together = threading.Barrier(8)

    def ask(_: int) -> httpx.Response:
        together.wait()
        return predict.post("/predict/", json=PAIRING, headers=AGAIN)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
    assert len([a for a in answers if a.status_code == 200 and "idempotency-replayed" not in a.headers]) == 1
    assert count(database, forecasts) == 1
    assert predict.post("/predict/", json=PAIRING, headers=AGAIN).headers["idempotency-replayed"] == "true"


def test_of_many_at_once_one_task_is_made(standing: House, database_url: str, database: Database, key: str) -> None:
    together = threading.Barrier(8)

    def ask(client: httpx.Client) -> httpx.Response:
        together.wait()
        return client.post("/predict/async/", json=PAIRING, headers=AGAIN)

    with (
        recording() as broker,
        served(predict_async(settings(standing, database_url, K_SINK=broker.url)), key) as client,
    ):
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, [client] * 8))
        assert {answer.status_code for answer in answers} <= {202, 409}
        assert len({answer.headers["location"] for answer in answers if answer.status_code == 202}) == 1
        assert broker.types == ["prediction.requested"]
    assert count(database, tasks) == 1


class Order(msgspec.Struct):
    """What the orders below are made of."""

    amount: int


@dataclass
class Orders:
    """An operation that can be kept waiting and made to fail, over real answers.

    Attributes:
        taken: what was carried out.
        fails: raised instead of an answer.
        is_passing: whether the answer is.
        begun, go: the operation has begun; it may go on.
    """

    database: Database
    client: httpx.Client = field(init=False)
    taken: list[int] = field(default_factory=list)
    fails: Exception | None = None
    is_passing: bool = False
    begun: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def carry_out(self, call: Call[None, Order]) -> Answer:
        """Take an order."""
        self.begun.set()
        assert self.go.wait(30)
        if self.fails is not None:
            raise self.fails
        self.taken.append(call.body.amount)
        return Answer(call.body, passing=self.is_passing)

    def post(self, amount: int = 1) -> httpx.Response:
        return self.client.post("/orders", json={"amount": amount}, headers=AGAIN)


@pytest.fixture
def orders(database_url: str, database: Database, key: str) -> Iterator[Orders]:
    light = LightDatabase(database_url)
    guard = KeyGuard(lambda: LightApiKeys(light))
    web = WebApp("orders", terms=Terms(guard, None, Idempotency(lambda: KeptAnswers(light), seconds=5)))
    taking = Orders(database)
    taking.go.set()
    web.post("/orders", tag="orders", body=Order, gives=Order, scopes=("predict",), idempotent=True)(taking.carry_out)
    with served(web, key) as taking.client:
        yield taking
    light.close()


def test_while_it_is_under_way_the_same_is_told_so_and_another_is_refused(orders: Orders) -> None:
    orders.go.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(orders.post)
        assert orders.begun.wait(30)
        told = orders.post()
        assert_problem(told, 409, None, "is under way; wait for its answer")
        assert told.headers["retry-after"] == "5"
        assert_problem(orders.post(2), 422, "Idempotency-Key")
        orders.go.set()
        assert first.result().status_code == 200
    assert orders.post().headers["idempotency-replayed"] == "true"
    assert orders.taken == [1]


@pytest.mark.parametrize(
    ("fault", "status"), [(Unavailable("away"), 503), (MatchcastError("odd"), 500), (RuntimeError("a fault"), 500)]
)
def test_after_a_fault_of_ours_the_request_may_come_again_changed_or_not(
    orders: Orders, fault: Exception, status: int
) -> None:
    orders.fails = fault
    assert_problem(orders.post(), status)
    orders.fails = None
    assert count(orders.database, idempotent_answers) == 0
    answer = orders.post(2)
    assert (answer.status_code, orders.taken) == (200, [2])
    assert "idempotency-replayed" not in answer.headers


def test_an_answer_that_is_passing_is_not_given_again(orders: Orders) -> None:
    """What comes after it is."""
    orders.is_passing = True
    for _ in range(2):
        answer = orders.post()
        assert (answer.status_code, answer.json()) == (200, {"amount": 1})
        assert "idempotency-replayed" not in answer.headers
    orders.is_passing = False
    assert "idempotency-replayed" not in orders.post().headers
    assert orders.post().headers["idempotency-replayed"] == "true"
    assert orders.taken == [1, 1, 1]


def test_retry_after_tells_when_what_took_too_long_may_begin_again(database_url: str, key: str) -> None:
    light, taken = LightDatabase(database_url), []
    idempotency = Idempotency(lambda: KeptAnswers(light), seconds=1)
    web = WebApp("orders", terms=Terms(KeyGuard(lambda: LightApiKeys(light)), None, idempotency, seconds=1))

    @web.post("/orders", tag="orders", body=Order, gives=Order, scopes=("predict",), idempotent=True)
    async def order(call: Call[None, Order]) -> Order:
        """Take an order; the first one takes too long."""
        taken.append(call.body.amount)
        await asyncio.sleep(0 if len(taken) > 1 else 30)
        return call.body

    with served(web, key) as client:
        late = client.post("/orders", json={"amount": 1}, headers=AGAIN)
        assert_problem(late, 504, None, "took longer than 1 s")
        assert late.headers["retry-after"] == "1"
        time.sleep(int(late.headers["retry-after"]))
        assert client.post("/orders", json={"amount": 1}, headers=AGAIN).status_code == 200
    light.close()


def test_what_took_too_long_may_still_be_done_and_begins_again_only_after_its_time(orders: Orders) -> None:
    orders.fails = TimedOut("slow")
    late = orders.post()
    assert_problem(late, 504, None, "slow")
    assert late.headers["retry-after"] == "10"
    orders.fails = None
    assert_problem(orders.post(), 409, None, "is under way")
    with orders.database.writing() as connection:
        connection.execute(update(idempotent_answers).values(begun_at=utc_now() - timedelta(seconds=10)))
    assert orders.post().status_code == 200
    assert orders.taken == [1]


def test_an_answer_is_kept_for_a_day(orders: Orders) -> None:
    orders.post()
    with orders.database.writing() as connection:
        (expires_at,) = connection.execute(select(idempotent_answers.c.expires_at)).one()
        assert abs((expires_at - utc_now()).total_seconds() - 86_400) < 600
        connection.execute(update(idempotent_answers).values(expires_at=utc_now()))
    assert "idempotency-replayed" not in orders.post().headers
    assert orders.taken == [1, 1]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_request_whose_process_is_killed_begins_again_after_its_time(
    standing: House, database: Database, database_url: str
) -> None:
    """Until then nobody knows whether it goes on elsewhere: 409. It leaves one row in the ledger."""
    key = SqlApiKeys(database).create("tests", SCOPES, house.NOW).text
    environment = settings(standing, database_url, MATCHCAST_REQUEST_SECONDS="4")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "functions.predict_sync"],
        env={**os.environ, **environment, "PORT": str(port), "MATCHCAST_HOST": "127.0.0.1"},
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": key}, timeout=30) as client:
            until(lambda: answers(client))
            with psycopg.connect(database_url) as holding, ThreadPoolExecutor(1) as pool:
                holding.execute("LOCK TABLE forecasts IN ACCESS EXCLUSIVE MODE")
                pending = pool.submit(client.post, "/predict/", json=PAIRING, headers=AGAIN)
                until(lambda: count(database, idempotent_answers) == 1)
                process.send_signal(signal.SIGKILL)
                assert isinstance(pending.exception(), httpx.TransportError)
    finally:
        process.kill()
        process.wait()
    with served(app(environment), key) as client:
        assert_problem(client.post("/predict/", json=PAIRING, headers=AGAIN), 409)
        until(lambda: client.post("/predict/", json=PAIRING, headers=AGAIN).status_code == 200)
    assert count(database, forecasts) == 1


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_without_the_database_it_is_not_known_whether_it_was_done_and_what_still_works_is_told(
    standing: House,
) -> None:
    with private_postgres() as server:
        migrate(f"{server.url}/postgres")
        database = Database(f"{server.url}/postgres")
        key = SqlApiKeys(database).create("tests", SCOPES, house.NOW).text
        database.close()
        with served(app(settings(standing, f"{server.url}/postgres")), key) as client:
            assert client.post("/predict/", json=PAIRING, headers=AGAIN).status_code == 200
            server.kill()
            answer = client.post("/predict/", json=PAIRING, headers=AGAIN)
            assert_problem(answer, 503, None, "without Idempotency-Key the request may still be answered")
            assert answer.headers["retry-after"]
            other = PAIRING | {"kickoff_at": "2025-03-10T15:00:00Z"}
            assert client.post("/predict/", json=other).json()["ledger"] == "behind"
            server.start()
            until(lambda: client.post("/predict/", json=PAIRING, headers=AGAIN).status_code == 200)
            assert client.post("/predict/", json=PAIRING, headers=AGAIN).headers["idempotency-replayed"] == "true"
