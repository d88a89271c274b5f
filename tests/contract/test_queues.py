"""What waits for each Trigger, told alike of a broker in memory and of RabbitMQ by its management API."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from knative.local.delivery import Policy
from knative.local.listeners import Listeners
from knative.local.memory import MemoryBroker
from knative.local.queues import ToldQueues
from knative.local.services.rabbitmq import Rabbitmq
from matchcast.adapters.rabbitmq_queues import RabbitmqQueues
from matchcast.errors import Unavailable
from matchcast.ports.metrics import TriggerQueue
from tests.contract.brokers import SECONDS, TRIGGER, Reply, Running, Setting, event, running

SLOW = Reply(after=7.0)
"""RabbitMQ tells what was the case up to five seconds ago."""


@pytest.fixture(params=["memory", "rabbitmq"])
def setting(request: pytest.FixtureRequest) -> Setting:
    """Of a broker of each kind."""
    broker = "memory" if request.param == "memory" else request.getfixturevalue("rabbitmq").url
    return Setting(broker, Policy(timeout=20))


@pytest.fixture
def management(setting: Setting, request: pytest.FixtureRequest) -> str | None:
    """RabbitMQ's; None for a broker in memory."""
    if setting.broker_url == "memory":
        return None
    rabbitmq: Rabbitmq = request.getfixturevalue("rabbitmq")
    return rabbitmq.management()


@asynccontextmanager
async def read_from(run: Running, setting: Setting, management: str | None) -> AsyncIterator[RabbitmqQueues]:
    """What reads the queues of this broker."""
    if management is not None:
        yield RabbitmqQueues(management, setting.namespace)
        return
    assert isinstance(run.broker, MemoryBroker)
    listeners = Listeners()
    url = listeners.open()
    listeners.serve(url, ToldQueues(setting.namespace, {"only": run.broker}))
    await listeners.start()
    try:
        yield RabbitmqQueues(url, setting.namespace)
    finally:
        await listeners.stop()


async def until_told(queues: RabbitmqQueues, expected: Sequence[TriggerQueue]) -> None:
    found: Sequence[TriggerQueue] = ()
    try:
        async with asyncio.timeout(SECONDS):
            while found != expected:
                found = await asyncio.to_thread(queues.read)
                await asyncio.sleep(0.05)
    except TimeoutError:
        assert found == expected


def test_events_are_told_while_they_wait_and_while_they_are_delivered(setting: Setting, management: str | None) -> None:
    async def scenario() -> None:
        async with running(setting, [SLOW]) as run, read_from(run, setting, management) as queues:
            await until_told(queues, [TriggerQueue("only", TRIGGER, 0, 0, 1, 0)])
            for number in range(3):
                assert await run.post(event(str(number))) == 202
            # RabbitMQ's consumers fetch a hundred at once; a broker in memory one by one
            waiting, in_delivery = (2, 1) if management is None else (0, 3)
            await until_told(queues, [TriggerQueue("only", TRIGGER, waiting, in_delivery, 1, 0)])

    asyncio.run(scenario())


def test_letters_are_told_until_the_sink_has_them(setting: Setting, management: str | None) -> None:
    async def scenario() -> None:
        async with (
            running(setting, [Reply(503)], [SLOW]) as run,
            read_from(run, setting, management) as queues,
        ):
            assert await run.post(event()) == 202
            await until_told(queues, [TriggerQueue("only", TRIGGER, 0, 0, 1, 1)])
            await until_told(queues, [TriggerQueue("only", TRIGGER, 0, 0, 1, 0)])

    asyncio.run(scenario())


def test_a_broker_that_nobody_takes_from_is_told(rabbitmq: Rabbitmq) -> None:
    setting = Setting(rabbitmq.url)

    async def scenario() -> None:
        async with running(setting):
            pass
        queues = RabbitmqQueues(rabbitmq.management(), setting.namespace)
        await until_told(queues, [TriggerQueue("only", TRIGGER, 0, 0, 0, 0)])

    asyncio.run(scenario())


def test_other_namespaces_are_not_told(rabbitmq: Rabbitmq) -> None:
    async def scenario() -> None:
        async with running(Setting(rabbitmq.url)):
            assert await asyncio.to_thread(RabbitmqQueues(rabbitmq.management(), "nobody").read) == []

    asyncio.run(scenario())


def test_a_broker_that_is_away_is_told_with_a_remedy_and_without_its_password(rabbitmq: Rabbitmq) -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 \(MATCHCAST_QUEUES_URL\).*start RabbitMQ") as told:
        RabbitmqQueues("http://user:secret@127.0.0.1:1").read()
    assert "secret" not in str(told.value)
    url = rabbitmq.management()
    with pytest.raises(Unavailable, match="answered 401; correct user and password"):
        RabbitmqQueues(url.replace("guest:guest", "guest:wrong")).read()
    with pytest.raises(Unavailable, match="answered 404; enable the plugin"):
        RabbitmqQueues(f"{url}/no-such-host").read()
