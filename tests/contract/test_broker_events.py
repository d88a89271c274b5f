"""What an event is on its way through a broker: its data, its instant and its other attributes."""

import asyncio
import json
from typing import Any
from urllib.parse import quote, unquote

import pytest
from multidict import CIMultiDict

from tests.contract.brokers import Running, Setting, event, running

STRUCTURED = "application/cloudevents+json"


@pytest.fixture(params=["memory", "rabbitmq"])
def setting(request: pytest.FixtureRequest) -> Setting:
    """Of a broker of each kind."""
    return Setting("memory" if request.param == "memory" else request.getfixturevalue("rabbitmq").url)


async def sent_structured(run: Running, more: dict[str, Any], content_type: str = STRUCTURED) -> int:
    """The ingress's answer to an event in structured mode."""
    body = json.dumps({**event(), **more}).encode()
    async with run.http.post(run.url, data=body, headers={"content-type": content_type}) as answer:
        return answer.status


@pytest.mark.parametrize(
    ("told", "arrives"),
    [
        ("2025-03-01T10:30:00.120+01:30", "2025-03-01T09:00:00.120Z"),
        ("2025-03-01t09:00:00z", "2025-03-01T09:00:00Z"),
    ],
)
def test_instants_arrive_in_utc(setting: Setting, told: str, arrives: str) -> None:
    async def scenario() -> None:
        async with running(setting) as run:
            assert await run.post(event(time=told)) == 202
            await run.finish()
            assert run.subscriber.of("1")[0].headers["ce-time"] == arrives

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("more", "content_type", "data"),
    [
        ({"datacontenttype": "text/plain", "data": "hé"}, "text/plain", "hé".encode()),
        ({"datacontenttype": "text/plain", "data": [1]}, "text/plain", b"[1]"),
        ({"datacontenttype": "image/png", "data_base64": "AP8="}, "image/png", b"\x00\xff"),
        ({"datacontenttype": "application/vnd.a+json", "data": "hé"}, "application/vnd.a+json", '"hé"'.encode()),
        ({"data": "hé"}, "application/json", '"hé"'.encode()),
        ({"data": {"n": 1.0}}, "application/json", b'{"n":1.0}'),
        ({"data": False}, "application/json", b"false"),
        ({"data": None}, "application/json", b""),
        ({}, "application/json", b""),
    ],
)
def test_structured_data_is_delivered_as_its_content_type_says(
    setting: Setting, more: dict[str, Any], content_type: str, data: bytes
) -> None:
    async def scenario() -> None:
        async with running(setting) as run:
            assert await sent_structured(run, more, "Application/CloudEvents+JSON; charset=UTF-8") == 202
            await run.finish()
            (got,) = run.subscriber.of("1")
            assert (got.headers["content-type"], got.body) == (content_type, data)

    asyncio.run(scenario())


def test_attributes_pass_through_headers_unchanged(setting: Setting) -> None:
    """Encoded or raw, they come as the HTTP binding has them; of two headers the first counts, an empty subject is none."""
    subject = 'Málaga – 100% "x"'

    async def scenario() -> None:
        async with running(setting) as run:
            assert await run.post(event("encoded", subject=quote(subject))) == 202
            assert await sent_structured(run, {"id": "structured", "subject": subject}) == 202
            sent = [(f"ce-{n}", v) for n, v in event("twice", subject="").items()] + [("ce-type", "other")]
            async with run.http.post(run.url, headers=CIMultiDict(sent)) as answer:
                assert answer.status == 202
            raw = [(f"ce-{n}", v) for n, v in event("raw", subject="Málaga 100%").items()]  # aiohttp writes UTF-8
            async with run.http.post(run.url, headers=raw) as answer:
                assert answer.status == 202
            await run.finish()
            for id_ in ("encoded", "structured"):
                told = run.subscriber.of(id_)[0].headers["ce-subject"]
                assert (unquote(told), told.isascii(), " " in told) == (subject, True, False)
            assert "ce-subject" not in run.subscriber.of("twice")[0].headers
            assert run.subscriber.of("raw")[0].headers["ce-subject"] == "M%C3%A1laga%20100%25"

    asyncio.run(scenario())
