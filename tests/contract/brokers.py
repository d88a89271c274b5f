"""A broker of either kind with one Trigger, its subscriber and its dead-letter sink, all over HTTP."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final, NamedTuple

import aiohttp
from starlette.types import Receive, Scope, Send

from knative.local.delivery import Courier, Place, Policy, Subscription
from knative.local.ingress import Ingress, read_body
from knative.local.listeners import Listeners
from knative.local.memory import MemoryBroker
from knative.local.rabbitmq import RabbitmqBroker
from knative.local.topology import BrokerNames

TYPE: Final = "org.example.asked"
LAST: Final = "last"
"""Id of the event that is sent after all others and always fails: when its dead letter is there, all is over."""
SECONDS: Final = 30.0
TRIGGER: Final = "asked"
CLUSTER: Final = "http://subscriber.test.svc.cluster.local/take"

Attributes = Mapping[str, str]


class Reply(NamedTuple):
    """What a subscriber answers."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""
    after: float = 0.0


class Received(NamedTuple):
    """A request that a subscriber got."""

    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Subscriber:
    """Answers the tries of each event in turn; the last answer stands for all that follow."""

    def __init__(self, *answers: Reply) -> None:
        self.answers = answers or (Reply(),)
        self.received: list[Received] = []
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive, 1 << 20) or b""
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        got = Received(time.monotonic(), scope["method"], scope["path"], headers, body)
        self.received.append(got)
        tries = len(self.of(headers["ce-id"]))
        answer = Reply(503) if headers["ce-id"] == LAST else self.answers[min(tries, len(self.answers)) - 1]
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(answer.after)
        self.at_once -= 1
        raw = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
        length = (b"content-length", str(len(answer.body)).encode())
        await send({"type": "http.response.start", "status": answer.status, "headers": [*raw, length]})
        await send({"type": "http.response.body", "body": answer.body})

    def of(self, id_: str) -> list[Received]:
        return [got for got in self.received if got.headers["ce-id"] == id_]

    def gaps(self, id_: str) -> list[float]:
        """Seconds between the tries of an event."""
        times = [got.at for got in self.of(id_)]
        return [after - before for before, after in pairwise(times)]


class Letters(Subscriber):
    """A dead-letter sink; it takes the last event whatever else it answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (b"ce-id", LAST.encode()) in scope["headers"]:
            answers, self.answers = self.answers, (Reply(),)
            self.last_came.set()
            self.answers = answers
        await super().__call__(scope, receive, send)

    def __init__(self, *answers: Reply) -> None:
        super().__init__(*answers)
        self.last_came = asyncio.Event()


@dataclass
class Setting:
    """What a test wants of its broker.

    Attributes:
        broker_url: `memory` or RabbitMQ's.
    """

    broker_url: str
    policy: Policy = field(default_factory=lambda: Policy(retries=2, delay=0.02, timeout=10))
    wanted: Attributes = field(default_factory=lambda: {"type": TYPE})
    dead_letters: bool = True
    subscriber_down: bool = False
    parallelism: int = 1
    namespace: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:12]}")

    def with_(self, **changes: Any) -> "Setting":
        return replace(self, **changes)


@dataclass
class Running:
    """A broker that runs."""

    url: str
    subscriber_url: str
    broker: MemoryBroker | RabbitmqBroker
    names: BrokerNames
    subscriber: Subscriber
    letters: Letters
    http: aiohttp.ClientSession
    courier: Courier

    async def post(self, attributes: Attributes, body: bytes = b'{"n": 1}', path: str = "/", **headers: str) -> int:
        """The ingress's answer to an event in binary mode."""
        sent = {f"ce-{name}": value for name, value in attributes.items()}
        sent = {"content-type": "application/json", **sent, **{n.replace("_", "-"): v for n, v in headers.items()}}
        async with self.http.post(self.url + path, data=body, headers=sent) as answer:
            return answer.status

    async def finish(self) -> None:
        """Send the last event and wait for its dead letter; what came before it is over then."""
        assert await self.post(event(LAST)) == 202
        await asyncio.wait_for(self.letters.last_came.wait(), SECONDS)


def event(id_: str = "1", **more: str) -> dict[str, str]:
    """Attributes of an event that the Trigger wants."""
    known = {"specversion": "1.0", "id": id_, "source": "/tests", "type": TYPE, "time": "2025-03-01T09:00:00Z"}
    return {**known, **more}


async def until(true: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(SECONDS):
        while not true():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(
    setting: Setting, answers: Sequence[Reply] = (), letter_answers: Sequence[Reply] = ()
) -> AsyncIterator[Running]:
    """The broker, connected and listening; RabbitMQ keeps what it has for the next of the same namespace."""
    subscriber, letters, courier = Subscriber(*answers), Letters(*letter_answers), Courier()
    listeners = Listeners()
    ingress_url, subscriber_url, letters_url = (listeners.open() for _ in range(3))
    if setting.subscriber_down:
        subscriber_url = "http://127.0.0.1:1"
    to = Subscription(
        TRIGGER,
        setting.wanted,
        Place(CLUSTER, f"{subscriber_url}/take"),
        setting.policy,
        Place("http://letters.test.svc.cluster.local", f"{letters_url}/letters") if setting.dead_letters else None,
        setting.parallelism,
    )
    names = BrokerNames(setting.namespace, "only")
    broker: MemoryBroker | RabbitmqBroker = (
        MemoryBroker("only", [to], courier)
        if setting.broker_url == "memory"
        else RabbitmqBroker(setting.broker_url, names, [to], courier)
    )
    listeners.serve(ingress_url, Ingress(broker))
    listeners.serve(subscriber_url, subscriber) if not setting.subscriber_down else None
    listeners.serve(letters_url, letters)
    await listeners.start()
    try:
        await broker.start()
        async with aiohttp.ClientSession() as http:
            yield Running(ingress_url, subscriber_url, broker, names, subscriber, letters, http, courier)
    finally:
        courier.stopping.set()
        await broker.close()
        await listeners.stop()
        await courier.close()
