"""Both brokers do what the real one was observed to do: one table of cases on each."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import unquote

import pytest

from knative.local.delivery import Policy
from matchcast.errors import Unavailable
from tests.contract.brokers import CLUSTER, TYPE, Reply, Setting, event, running, until

CE = {"ce-specversion": "1.0", "ce-id": "r1", "ce-source": "/subscriber", "ce-type": "org.example.answered"}
STRUCTURED = "application/cloudevents+json"


@pytest.fixture(params=["memory", "rabbitmq"])
def setting(request: pytest.FixtureRequest) -> Setting:
    """Of a broker of each kind."""
    return Setting("memory" if request.param == "memory" else request.getfixturevalue("rabbitmq").url)


class Case(NamedTuple):
    """Answers of a subscriber with two retries, and what becomes of the event.

    Attributes:
        code: of the dead letter; None if there is none.
    """

    answers: tuple[Reply, ...]
    tries: int
    code: str | None


CASES = {
    **{f"{status} is taken": Case((Reply(status),), 1, None) for status in (200, 202, 204)},
    **{f"{s} is retried, then dead": Case((Reply(s),), 3, str(s)) for s in (404, 408, 409, 429, 500, 502, 503, 504)},
    **{f"{s} is acknowledged and lost": Case((Reply(s),), 1, None) for s in (400, 401, 403, 405, 410, 413, 422)},
    "a retry that is taken ends it": Case((Reply(503), Reply(204)), 2, None),
    "a retry that is refused loses it": Case((Reply(503), Reply(422)), 2, None),
    "the last status counts": Case((Reply(500), Reply(503), Reply(429)), 3, "429"),
    "Retry-After is ignored": Case((Reply(503, {"retry-after": "60"}),), 3, "503"),
    "an answer that is no event is no reply": Case((Reply(200, {"content-type": "text/plain"}, b"OK"),), 1, None),
    "a reply without id is malformed": Case(
        (Reply(200, {**CE, "ce-id": "", "content-type": "application/json"}, b"{}"),), 1, "200"
    ),
    "a structured reply that is no JSON is malformed": Case(
        (Reply(200, {"content-type": STRUCTURED}, b"{"),), 1, "200"
    ),
    "the case of a media type does not matter": Case(
        (Reply(200, {"content-type": STRUCTURED.upper()}, b"{"),), 1, "200"
    ),
    "a reply with an id that AMQP cannot carry is malformed": Case(
        (Reply(200, {**CE, "ce-id": "i" * 300, "content-type": "application/json"}, b"{}"),), 1, "200"
    ),
    "a reply with attributes that AMQP cannot carry is malformed": Case(
        (Reply(200, {"content-type": STRUCTURED}, json.dumps({**event("r2"), "large": "l" * 140_000}).encode()),),
        1,
        "200",
    ),
    "a reply with a number that AMQP cannot carry is malformed": Case(
        (Reply(200, {"content-type": STRUCTURED}, json.dumps({**event("r3"), "n": 10**30}).encode()),), 1, "200"
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_status_decides_how_often_an_event_is_tried_and_where_it_ends(setting: Setting, name: str) -> None:
    case = CASES[name]

    async def scenario() -> None:
        async with running(setting, case.answers) as run:
            assert await run.post(event()) == 202
            await run.finish()
            assert len(run.subscriber.of("1")) == case.tries
            letters = run.letters.of("1")
            assert [letter.headers["ce-knativeerrorcode"] for letter in letters] == [case.code] * (
                case.code is not None
            )
            for letter in letters:
                assert letter.headers["ce-knativeerrordest"] == CLUSTER
                assert letter.headers["ce-type"] == TYPE
                assert letter.body == b'{"n": 1}'
                assert ("ce-knativeerrordata" in letter.headers) == (case.code == "200")

    asyncio.run(scenario())


@pytest.mark.parametrize("linear", [True, False])
def test_tries_are_as_far_apart_as_the_policy_says(setting: Setting, linear: bool) -> None:
    policy = Policy(retries=3, linear=linear, delay=0.05, timeout=10)

    async def scenario() -> None:
        async with running(setting.with_(policy=policy), [Reply(503)]) as run:
            await run.post(event())
            await run.finish()
            gaps = run.subscriber.gaps("1")
            assert len(gaps) == 3
            expected = [0.05, 0.1, 0.15] if linear else [0.1, 0.2, 0.4]
            assert all(gap >= pause for gap, pause in zip(gaps, expected, strict=True))
            if not linear:
                assert gaps == sorted(gaps)

    asyncio.run(scenario())


def test_without_delivery_an_event_is_tried_once_and_lost(setting: Setting) -> None:
    async def scenario() -> None:
        alone = setting.with_(policy=Policy.of(None), dead_letters=False)
        async with running(alone, [Reply(503)]) as run:
            await run.post(event())
            await run.post(event("2"))
            await until(lambda: bool(run.subscriber.of("2")))
            assert len(run.subscriber.of("1")) == 1
            assert not run.letters.received

    asyncio.run(scenario())


def test_a_subscriber_that_is_down_makes_a_dead_letter_with_code_minus_one(setting: Setting) -> None:
    async def scenario() -> None:
        async with running(setting.with_(subscriber_down=True)) as run:
            await run.post(event())
            await run.finish()
            (letter,) = run.letters.of("1")
            assert letter.headers["ce-knativeerrorcode"] == "-1"

    asyncio.run(scenario())


def test_a_try_that_takes_too_long_is_no_answer(setting: Setting) -> None:
    policy = Policy(retries=1, delay=0.01, timeout=0.15)

    async def scenario() -> None:
        async with running(setting.with_(policy=policy), [Reply(200, after=1), Reply(200)]) as run:
            await run.post(event())
            await run.post(event("2"))
            await until(lambda: len(run.subscriber.of("2")) == 2)
            assert len(run.subscriber.of("1")) == 2
            assert run.subscriber.gaps("1")[0] >= policy.timeout
            assert not run.letters.received

    asyncio.run(scenario())


def test_a_dead_letter_sink_that_fails_loses_the_event_after_its_own_retries(setting: Setting) -> None:
    async def scenario() -> None:
        async with running(setting, [Reply(503)], [Reply(500)]) as run:
            await run.post(event())
            await run.finish()
            assert len(run.letters.of("1")) == 3

    asyncio.run(scenario())


def test_a_reply_is_published_to_the_same_broker(setting: Setting) -> None:
    """A structured and a binary one reach who wants them, with what they carry."""
    reply = {**CE, "ce-type": TYPE, "ce-parentid": "1", "content-type": "application/json"}
    structured = {"specversion": "1.0", "id": "s1", "source": "/subscriber", "type": TYPE, "data": {"b": 2}}
    answers = [
        Reply(200, reply, b'{"a":1}'),
        Reply(200, {"content-type": STRUCTURED}, json.dumps(structured).encode()),
        Reply(204),
    ]

    async def scenario() -> None:
        async with running(setting) as run:
            run.subscriber.answers = (answers[0],)
            await run.post(event("first"))
            await until(lambda: bool(run.subscriber.of("r1")))
            run.subscriber.answers = (answers[1],)
            await run.post(event("second"))
            await until(lambda: bool(run.subscriber.of("s1")))
            run.subscriber.answers = (answers[2],)
            first, second = run.subscriber.of("r1")[0], run.subscriber.of("s1")[0]
            assert (first.body, first.headers["ce-parentid"]) == (b'{"a":1}', "1")
            assert json.loads(second.body) == {"b": 2}

    asyncio.run(scenario())


def test_the_subscriber_gets_the_event_in_binary_mode_whatever_it_was_sent_in(setting: Setting) -> None:
    attributes = event(
        "b", subject="Gate – Westfield".encode("ascii", "replace").decode(), dataschema="/s", parentid="0"
    )
    structured = {**event("s", subject="Málaga"), "n": 5, "flag": True, "data": {"é": [1, None]}}

    async def scenario() -> None:
        async with running(setting) as run:
            await run.post(attributes, b"\x00\xff", content_type="application/octet-stream")
            sent = json.dumps(structured).encode()
            async with run.http.post(run.url, data=sent, headers={"content-type": STRUCTURED}) as answer:
                assert answer.status == 202
            await run.finish()
            (binary,), (from_structured,) = run.subscriber.of("b"), run.subscriber.of("s")
            assert (binary.method, binary.path) == ("POST", "/take")
            assert {n[3:]: unquote(v) for n, v in binary.headers.items() if n.startswith("ce-")} == attributes
            assert (binary.headers["content-type"], binary.body) == ("application/octet-stream", b"\x00\xff")
            assert from_structured.headers["ce-subject"] == "M%C3%A1laga"
            assert (from_structured.headers["ce-n"], from_structured.headers["ce-flag"]) == ("5", "true")
            assert from_structured.headers["content-type"] == "application/json"
            assert json.loads(from_structured.body) == {"é": [1, None]}

    asyncio.run(scenario())


def test_an_event_without_time_is_given_the_moment_of_delivery(setting: Setting) -> None:
    async def scenario() -> None:
        async with running(setting) as run:
            await run.post({name: value for name, value in event().items() if name != "time"})
            await run.finish()
            at = datetime.fromisoformat(run.subscriber.of("1")[0].headers["ce-time"])
            assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)

    asyncio.run(scenario())


def test_only_what_every_attribute_of_the_filter_matches_is_delivered(setting: Setting) -> None:
    """Exactly and as text: a structured number does not match its digits; what nobody wants is taken all the same."""
    wanted = {"type": TYPE, "source": "/tests", "n": "5"}

    async def scenario() -> None:
        async with running(setting.with_(wanted=wanted)) as run:
            for id_, more in {"type": {"type": "other"}, "source": {"source": "/tests/"}, "n": {}}.items():
                assert await run.post({**event(id_, n="5"), **more, **({"n": "6"} if id_ == "n" else {})}) == 202
            sent = json.dumps({**event("number"), "n": 5}).encode()
            async with run.http.post(run.url, data=sent, headers={"content-type": STRUCTURED}) as answer:
                assert answer.status == 202
            await run.post(event("right", n="5", other="x"))
            await run.post(event("last", n="5"))
            await asyncio.wait_for(run.letters.last_came.wait(), 30)
            assert {got.headers["ce-id"] for got in run.subscriber.received} == {"right", "last"}

    asyncio.run(scenario())


def test_an_event_that_says_it_is_a_dead_letter_is_dropped(setting: Setting) -> None:
    async def scenario() -> None:
        async with running(setting) as run:
            assert await run.post(event(knativeerrordest="http://somebody")) == 202
            await run.finish()
            assert not run.subscriber.of("1")
            assert not run.letters.of("1")

    asyncio.run(scenario())


def test_a_request_that_breaks_off_is_no_event(setting: Setting) -> None:
    async def scenario() -> None:
        async with running(setting) as run:
            host, port = run.url.removeprefix("http://").split(":")
            _, writer = await asyncio.open_connection(host, int(port))
            headers = "".join(f"ce-{name}: {value}\r\n" for name, value in event().items())
            writer.write(f"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n{headers}\r\n".encode() + b'{"n":')
            await writer.drain()
            await asyncio.sleep(0.1)
            writer.close()
            await writer.wait_closed()
            await run.finish()
            assert not run.subscriber.of("1")

    asyncio.run(scenario())


def test_a_broker_that_is_closed_takes_nothing(setting: Setting) -> None:
    async def scenario() -> None:
        async with running(setting) as run:
            run.courier.stopping.set()
            await run.broker.close()
            assert await run.post(event()) == 500
            with pytest.raises(Unavailable):
                run.broker.check()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (400, {"content-type": "application/json"}, b'{"plain": "json"}'),
        (400, {"content-type": "application/cloudevents-batch+json"}, b"[]"),
        (400, {"content-type": STRUCTURED}, b"{"),
        (400, {"content-type": STRUCTURED}, b'{"specversion": "1.0", "id": "1", "type": "t"}'),
        (400, {"content-type": STRUCTURED}, json.dumps({**event(), "nested": {}}).encode()),
        *(
            (400, {f"ce-{n}": v for n, v in event().items() if n != missing}, b"")
            for missing in ("id", "type", "source")
        ),
        (400, {f"ce-{n}": v for n, v in event(time="yesterday").items()}, b""),
        (400, {f"ce-{n}": v for n, v in event(specversion="2.0").items()}, b""),
        (400, {f"ce-{n}": v for n, v in {**event(), "an_extension": "1"}.items()}, b""),
        (400, {f"ce-{n}": v for n, v in {**event(), "x" * 129: "1"}.items()}, b""),
        (400, {f"ce-{n}": v for n, v in event("i" * 256).items()}, b""),
        (400, {"content-type": "a/" + "b" * 255, **{f"ce-{n}": v for n, v in event().items()}}, b""),
        (400, {f"ce-{n}": v for n, v in event(time="2025-13-45T99:99:99Z").items()}, b""),
        (400, {f"ce-{n}": v for n, v in event(time="0001-01-01T00:00:00+05:00").items()}, b""),
        *(
            (400, {"content-type": STRUCTURED}, json.dumps({**event(), **more}).encode())
            for more in (
                {"large": "l" * 60_000},
                {"n": 2**31},
                {"n": 10**30},
                {"n": 0.5},
                {"subject": "\ud800"},
                {"time": 5},
                {"data": float("nan")},
                {"data_base64": "="},
                {"data_base64": "", "data": 1},
                {"datacontenttype": 1},
            )
        ),
        (400, {"content-type": STRUCTURED}, b'{"a":' * 100_000),
        (413, {f"ce-{n}": v for n, v in event().items()}, b"x" * (1 << 20)),
    ],
)
def test_the_ingress_refuses_what_is_no_event(status: int, headers: dict[str, str], body: bytes) -> None:
    async def scenario() -> None:
        async with running(Setting("memory")) as run, run.http.post(run.url, data=body, headers=headers) as answer:
            assert answer.status == status
            assert await answer.text()

    asyncio.run(scenario())


def test_the_ingress_takes_posts_to_its_root_only(setting: Setting) -> None:
    async def scenario() -> None:
        async with running(setting) as run:
            assert await run.post(event("unroutable", type="nobody.wants.it")) == 202
            assert await run.post(event(), path="/other") == 404
            assert await run.post(event(), path="/?a=1") == 404
            for method in ("GET", "PUT", "DELETE", "OPTIONS"):
                async with run.http.request(method, run.url) as answer:
                    assert answer.status == 405
            await run.finish()
            assert not run.subscriber.of("unroutable")

    asyncio.run(scenario())


def test_as_many_events_are_delivered_at_a_time_as_the_trigger_is_parallel(setting: Setting) -> None:
    async def scenario() -> None:
        async with running(setting.with_(parallelism=3), [Reply(204, after=0.1)]) as run:
            await asyncio.gather(*(run.post(event(str(n))) for n in range(9)))
            await until(lambda: len(run.subscriber.received) == 9)
            assert run.subscriber.most_at_once == 3

    asyncio.run(scenario())


def test_retries_block_the_worker_so_that_order_is_kept(setting: Setting) -> None:
    async def scenario() -> None:
        async with running(setting, [Reply(503), Reply(204)]) as run:
            for n in range(3):
                await run.post(event(str(n)))
            await run.finish()
            tries = [got.headers["ce-id"] for got in run.subscriber.received]
            assert tries[:6] == ["0", "0", "1", "1", "2", "2"]

    asyncio.run(scenario())
