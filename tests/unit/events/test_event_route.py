"""The event side of a function, over HTTP."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from matchcast.adapters.claims import LARGEST_CLAIM, completed, lightened
from matchcast.adapters.cloudevents import event_http, read_event
from matchcast.adapters.objects_folder import FolderStore
from matchcast.domain.event import CLAIM, Event, derived_id
from matchcast.errors import BadInput, GateFailed, MatchcastError, NotFound, TaskEnded, Unavailable
from matchcast.events import EventRejected, MatchesIngested, ScrapeFailed, next_event, payload_of
from matchcast.fields import read_fields
from matchcast.ports import ObjectStore
from matchcast.ports.events import Deadline
from matchcast.web.app import WebApp
from matchcast.web.events import ANY, LARGEST_EVENT, take_events
from tests.entrypoints.served import served
from tests.unit.events.examples import EXAMPLES

NOW = datetime(2025, 3, 1, 9, tzinfo=UTC)
EVENT = Event(
    "e1", "/matchcast/tests", "org.matchcast.scrape.requested", NOW, EXAMPLES["scrape.requested"], "s", {"a": "b"}
)
FAILED = read_fields(ScrapeFailed, EXAMPLES["scrape.failed"])


class Function:
    """A function whose handler does as told; it keeps what it got."""

    def __init__(self) -> None:
        self.taken: list[Event] = []
        self.does: Any = lambda event, deadline: None

    def handle(self, event: Event, deadline: Deadline) -> Event | None:
        self.taken.append(event)
        result: Event | None = self.does(event, deadline)
        return result


@pytest.fixture
def function() -> Function:
    return Function()


@pytest.fixture
def objects(tmp_path: Path) -> FolderStore:
    (tmp_path / "objects").mkdir()
    return FolderStore(tmp_path / "objects")


@pytest.fixture
def client(function: Function, objects: FolderStore) -> Iterator[httpx.Client]:
    app = WebApp("tests")
    settings: dict[str, Any] = {"service": "tests", "now": lambda: NOW, "objects": lambda: objects}
    take_events(app, {EVENT.type: function.handle}, seconds=0.5, **settings)
    take_events(app, {ANY: function.handle}, seconds=0.5, path="/all", **settings)
    take_events(app, {ANY: function.handle}, seconds=0.5, path="/as-they-are", whole=False, **settings)
    with served(app) as client:
        yield client


def send(client: httpx.Client, event: Event, path: str = "/") -> httpx.Response:
    headers, body = event_http(event)
    return client.post(path, headers=headers, content=body)


def rejection(answer: httpx.Response) -> EventRejected:
    assert answer.status_code == 200, answer.text
    event = read_event(answer.headers, answer.content)
    assert event.time == NOW
    return payload_of(event, EventRejected)


def test_an_event_arrives_as_it_was_sent_in_both_modes(client: httpx.Client, function: Function) -> None:
    assert send(client, EVENT).status_code == 204
    structured = {
        "specversion": "1.0", "id": EVENT.id, "source": EVENT.source, "type": EVENT.type, "subject": "s", "a": "b",
        "time": "2025-03-01T10:00:00+01:00", "datacontenttype": "application/json", "data": EVENT.data,
    }  # fmt: skip
    answer = client.post("/", json=structured, headers={"Content-Type": "application/cloudevents+json"})
    assert answer.status_code == 204
    assert function.taken == [EVENT, EVENT]


@pytest.mark.parametrize(
    ("sent", "subject"),
    [
        (b"K%C3%B6ln", "Köln"),
        ("Köln".encode(), "Köln"),
        ("Köln".encode("latin-1"), "Köln"),
        ("Śląsk 50 %".encode(), "Śląsk 50 %"),
    ],
)
def test_an_attribute_may_come_percent_encoded_or_as_it_is(
    client: httpx.Client, function: Function, sent: bytes, subject: str
) -> None:
    headers, body = event_http(EVENT)
    raw = [(name.encode(), value.encode()) for name, value in headers.items() if name != "ce-subject"]
    assert client.post("/", headers=[*raw, (b"ce-subject", sent)], content=body).status_code == 204
    assert [event.subject for event in function.taken] == [subject]


def test_an_attribute_that_is_read_as_text_already_is_kept() -> None:
    headers, body = event_http(EVENT)
    assert read_event({**headers, "ce-subject": "Śląsk"}, body).subject == "Śląsk"


def test_the_event_that_follows_is_the_answer(client: httpx.Client, function: Function) -> None:
    function.does = lambda event, _: next_event(event, FAILED, service="tests", now=NOW)
    answer = send(client, EVENT)
    followed = read_event(answer.headers, answer.content)
    assert answer.status_code == 200
    assert followed.id == derived_id(EVENT, ScrapeFailed.type())
    assert payload_of(followed, ScrapeFailed) == FAILED


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b""),
        ({"Content-Type": "application/json"}, b"{}"),
        ({"Content-Type": "application/cloudevents-batch+json"}, b"[]"),
        ({"Content-Type": "application/cloudevents+json"}, b"nonsense"),
        ({"Content-Type": "application/cloudevents+json"}, b'{"specversion":"1.0"}'),
        (event_http(EVENT)[0] | {"ce-time": "yesterday"}, b"{}"),
        (event_http(EVENT)[0] | {"ce-specversion": "0.3"}, b"{}"),
        (event_http(EVENT)[0], b'{"half": '),
        (event_http(EVENT)[0], b"\xff\xfe"),
        (event_http(EVENT)[0], b"x" * (LARGEST_EVENT + 1)),
    ],
)
def test_what_is_no_event_is_rejected_without_an_error_status(
    client: httpx.Client, function: Function, headers: dict[str, str], body: bytes
) -> None:
    for path in ("/", "/all"):
        rejected = rejection(client.post(path, headers=headers, content=body))
        assert rejected.problem.detail
        assert rejected.parent_id is None
    assert function.taken == []


@pytest.mark.parametrize("body", [b'{"n": NaN}', b'{"n": -Infinity}', b'{"n": 1e999}', b"[" * 100_000])
def test_numbers_and_depths_that_no_json_has_are_rejected(
    client: httpx.Client, function: Function, objects: FolderStore, body: bytes
) -> None:
    headers, _ = event_http(EVENT)
    objects.put("events/odd.json", body)
    assert "is no CloudEvent" in rejection(client.post("/", headers=headers, content=body)).problem.detail
    structured = b'{"specversion":"1.0","id":"e","source":"s","type":"t","data":%b}' % body
    json_mode = {"Content-Type": "application/cloudevents+json"}
    assert b"1e999" in body or rejection(client.post("/", headers=json_mode, content=structured))
    claimed = rejection(send(client, replace(EVENT, data=None, extensions={CLAIM: "events/odd.json"})))
    assert "events/odd.json is no JSON" in claimed.problem.detail
    assert function.taken == []


@pytest.mark.parametrize(
    ("body", "data"),
    [(b'{"half": ', '{"half": '), (b'{"n": NaN}', '{"n": NaN}'), (b"\xff\xfe", {"data_base64": "//4="}), (b"[1]", [1])],
)
def test_a_route_for_events_as_they_are_takes_data_that_is_no_json(
    client: httpx.Client, function: Function, body: bytes, data: Any
) -> None:
    headers, _ = event_http(EVENT)
    assert client.post("/as-they-are", headers=headers, content=body).status_code == 204
    assert function.taken == [replace(EVENT, data=data)]


def test_what_is_rejected_has_an_id_of_its_own_and_the_same_again(client: httpx.Client) -> None:
    def id_of(own: dict[str, str], body: bytes) -> str:
        answer = client.post("/", headers=event_http(EVENT)[0] | own, content=body)
        return read_event(answer.headers, answer.content).id

    requests = [
        ({"ce-note": "a"}, b"{"),
        ({"ce-note": "b"}, b"{"),
        ({}, b"x" * (LARGEST_EVENT + 1)),
        ({}, b"y" * (LARGEST_EVENT + 1)),
    ]
    ids = [id_of(*request) for request in requests]
    assert ids == [id_of(*request) for request in requests]
    assert len(set(ids)) == len(requests)


def test_a_body_that_does_not_come_to_its_end_is_given_up(client: httpx.Client) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=20) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        assert connection.recv(4096).startswith(b"HTTP/1.1 504")


def test_a_rejection_that_is_rejected_is_the_end_of_it(client: httpx.Client, function: Function) -> None:
    def fail(*_: object) -> None:
        raise BadInput("no")

    function.does = fail
    rejected = Event("r1", "/x", EventRejected.type(), NOW, EXAMPLES["event.rejected"])
    for path in ("/", "/all"):
        assert send(client, rejected, path).status_code == 204


@pytest.mark.parametrize("path", ["/all", "/all/", "/"])
def test_an_event_may_be_as_large_as_a_broker_lets_through(client: httpx.Client, function: Function, path: str) -> None:
    large = replace(EVENT, data={"x": "y" * (LARGEST_EVENT - 100)})
    assert send(client, large, path).status_code == 204
    assert function.taken == [large]


def test_the_object_store_is_opened_for_what_lies_in_it_alone(function: Function) -> None:
    def broken() -> ObjectStore:
        raise BadInput("objects_url: is none", "objects_url")

    app = WebApp("tests")
    take_events(app, {ANY: function.handle}, service="tests", now=lambda: NOW, objects=broken, seconds=5)
    with served(app) as client:
        assert send(client, EVENT).status_code == 204
        function.does = lambda event, _: next_event(event, FAILED, service="tests", now=NOW)
        assert send(client, EVENT).status_code == 200
        large = EXAMPLES["matches.ingested"] | {"finished": list(range(10**15, 10**15 + 20_000))}
        ingested = read_fields(MatchesIngested, large)
        function.does = lambda event, _: next_event(event, ingested, service="tests", now=NOW)
        answer = send(client, EVENT)
        assert (answer.status_code, "objects_url" in answer.text) == (503, True)


def test_an_event_of_a_type_that_is_not_taken_is_rejected(client: httpx.Client, function: Function) -> None:
    other = Event("e2", "/x", "org.matchcast.nothing", NOW)
    rejected = rejection(send(client, other))
    assert (rejected.parent_id, rejected.parent_source, rejected.parent_type) == ("e2", "/x", other.type)
    assert rejected.problem.field == "type"
    assert send(client, other, "/all").status_code == 204
    assert function.taken == [other]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadInput("data.x: is wrong; mend it", "data.x"), 422),
        (NotFound("gone"), 404),
        (GateFailed("no"), 500),
        (MatchcastError("odd"), 500),
    ],
)
def test_what_can_never_be_handled_is_rejected(
    client: httpx.Client, function: Function, error: MatchcastError, status: int
) -> None:
    def fail(*_: object) -> None:
        raise error

    function.does = fail
    rejected = rejection(send(client, EVENT))
    assert rejected.parent_id == EVENT.id
    assert (rejected.problem.status, rejected.problem.detail) == (status, str(error))


@pytest.mark.parametrize(
    ("error", "status"), [(Unavailable("away"), 503), (TaskEnded("done"), 204), (KeyError("x"), 500)]
)
def test_a_passing_fault_is_503_an_ended_task_nothing_and_a_bug_500(
    client: httpx.Client, function: Function, error: Exception, status: int
) -> None:
    def fail(*_: object) -> None:
        raise error

    function.does = fail
    assert send(client, EVENT).status_code == status


def test_a_handler_that_takes_too_long_is_answered_504_and_stops_at_its_next_check(
    client: httpx.Client, function: Function
) -> None:
    answered, ended = threading.Event(), threading.Event()

    def dawdle(_: Event, deadline: Deadline) -> None:
        answered.wait(20)
        try:
            deadline.check()
        except MatchcastError:
            ended.set()
            raise

    function.does = dawdle
    answer = send(client, EVENT)
    answered.set()
    assert answer.status_code == 504
    assert ended.wait(20)


def test_large_data_waits_in_the_object_store(client: httpx.Client, function: Function, objects: FolderStore) -> None:
    data = EXAMPLES["matches.ingested"] | {"finished": list(range(10**15, 10**15 + 20_000))}
    large = Event("e3", "/matchcast/tests", EVENT.type, NOW, data)
    light = lightened(large, lambda: objects)
    assert light.data is None
    assert light.extensions[CLAIM] == "events/e3.json"
    assert len(event_http(light)[1]) == 0
    function.does = lambda event, _: next_event(
        event, read_fields(MatchesIngested, event.data), service="tests", now=NOW
    )
    answer = send(client, light)
    assert function.taken == [large]
    assert len(answer.content) == 0
    followed = completed(read_event(answer.headers, answer.content), lambda: objects)
    assert json.loads(json.dumps(followed.data)) == data


@pytest.mark.parametrize("key", ["events/none.json", "models/champion.json", "events/../models/x", "events/half.json"])
def test_a_claim_that_cannot_be_met_is_rejected(client: httpx.Client, objects: FolderStore, key: str) -> None:
    objects.put("events/half.json", b'{"half":')
    objects.put("models/x", b"{}")
    rejected = rejection(send(client, Event("e4", "/x", EVENT.type, NOW, None, None, {CLAIM: key})))
    assert rejected.problem.field in (CLAIM, "key")


def test_a_claim_on_an_object_without_bounds_is_rejected(client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "objects" / "events").mkdir()
    with (tmp_path / "objects" / "events" / "vast.json").open("wb") as file:
        file.truncate(LARGEST_CLAIM + 1)
    rejected = rejection(send(client, Event("e6", "/x", EVENT.type, NOW, None, None, {CLAIM: "events/vast.json"})))
    assert f"more than the {LARGEST_CLAIM} allowed" in rejected.problem.detail


def test_an_object_store_that_is_away_is_a_passing_fault(
    client: httpx.Client, objects: FolderStore, tmp_path: Path
) -> None:
    (tmp_path / "objects").rename(tmp_path / "away")
    answer = send(client, Event("e5", "/x", EVENT.type, NOW, None, None, {CLAIM: "events/x.json"}))
    assert answer.status_code == 503
