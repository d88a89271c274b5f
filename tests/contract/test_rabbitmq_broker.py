"""What is RabbitMQ's own about the broker on it: what it declares, what it writes, and what outlives whom."""

import asyncio
import json
import logging
import subprocess
import sys
from collections import Counter

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue, DeliveryMode

from knative.local.delivery import Courier, Policy
from knative.local.messages import Message
from knative.local.rabbitmq import RabbitmqBroker
from knative.local.services.rabbitmq import Rabbitmq
from matchcast.errors import BadInput, Unavailable
from tests.contract.brokers import TRIGGER, TYPE, Reply, Running, Setting, event, running, until


@pytest.fixture
def setting(rabbitmq: Rabbitmq) -> Setting:
    return Setting(rabbitmq.url)


def test_exchanges_queues_and_bindings_are_those_of_the_real_broker(rabbitmq: Rabbitmq, setting: Setting) -> None:
    async def scenario() -> Running:
        async with running(setting) as run:
            return run

    names, namespace = asyncio.run(scenario()).names, setting.namespace
    exchange, dead_exchange = names.exchange, names.dead_exchange(TRIGGER)
    queue, dead_queue = names.queue(TRIGGER), names.dead_queue(TRIGGER)
    uid = exchange.removeprefix(f"b.{namespace}.only.")
    assert len(uid) == 36
    assert queue == f"{namespace}.{TRIGGER}.{uid}"
    assert dead_exchange.startswith(f"t.{namespace}.{TRIGGER}.dlx.")
    assert dead_queue.startswith(f"t.{namespace}.{TRIGGER}.dlq.")

    def listed(what: str, *columns: str) -> list[dict[str, object]]:
        rows = json.loads(rabbitmq.ctl("--formatter", "json", f"list_{what}", *columns))
        return [row for row in rows if namespace in str(row)]

    assert sorted(listed("exchanges", "name", "type", "durable"), key=str) == [
        {"name": exchange, "type": "headers", "durable": True},
        {"name": dead_exchange, "type": "headers", "durable": True},
    ]
    queues = {row["name"]: row for row in listed("queues", "name", "durable", "auto_delete", "type", "arguments")}
    assert set(queues) == {queue, dead_queue, names.record}
    assert all((q["durable"], q["auto_delete"], q["type"]) == (True, False, "quorum") for q in queues.values())
    assert ["x-dead-letter-exchange", "longstr", dead_exchange] in queues[queue]["arguments"]  # type: ignore[operator]
    bindings = [b for b in listed("bindings", "source_name", "destination_name", "arguments") if b["source_name"]]
    arguments = {
        (b["source_name"], b["destination_name"]): {a[0]: a[2] for a in b["arguments"]}  # type: ignore[attr-defined]
        for b in bindings
    }
    key = {"x-match": "all", "x-knative-trigger": TRIGGER}
    assert arguments == {(exchange, queue): {"type": TYPE, **key}, (dead_exchange, dead_queue): key}


def test_a_trigger_that_asks_for_something_else_gets_no_more_of_what_it_asked_for(setting: Setting) -> None:
    async def scenario() -> None:
        async with running(setting) as run:
            await run.finish()
        async with running(setting.with_(wanted={"type": "org.example.other"})) as run:
            await run.post(event("former"))
            await run.post(event("now", type="org.example.other"))
            await until(lambda: bool(run.subscriber.of("now")))
            assert not run.subscriber.of("former")
        async with running(setting) as run:
            await run.post(event("again"))
            await run.post(event("other", type="org.example.other"))
            await run.finish()
            assert run.subscriber.of("again")
            assert not run.subscriber.of("other")

    asyncio.run(scenario())


def test_the_queue_of_a_trigger_that_is_gone_gets_nothing_more_and_is_named(
    rabbitmq: Rabbitmq, setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> str:
        async with running(setting) as run:
            names = run.names
        broker = RabbitmqBroker(setting.broker_url, names, [], Courier())
        await broker.start()
        await broker.publish(Message(event(), None, b""))
        await broker.close()
        return names.queue(TRIGGER)

    queue = asyncio.run(scenario())
    assert f"its queue {queue} keeps what it has" in caplog.text
    assert rabbitmq.queues()[queue][0] == 0
    bindings = json.loads(rabbitmq.ctl("--formatter", "json", "list_bindings", "source_name", "destination_name"))
    assert not [b for b in bindings if b["destination_name"] == queue and b["source_name"]]


async def bound_queue(run: Running, channel: aio_pika.abc.AbstractChannel) -> AbstractQueue:
    """A queue of the test that gets everything the broker gets."""
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind(await channel.get_exchange(run.names.exchange), arguments={"x-match": "all"})
    return queue


def test_messages_are_persistent_with_attributes_as_headers_without_prefix(setting: Setting) -> None:
    async def scenario() -> AbstractIncomingMessage:
        async with running(setting) as run, await aio_pika.connect(setting.broker_url) as connection:
            queue = await bound_queue(run, await connection.channel())
            await run.post(event("7", subject="s", dataschema="/d", parentid="6"))
            message = await queue.get(timeout=10)
            await message.ack()
            return message

    message = asyncio.run(scenario())
    assert message.headers == {
        "specversion": "1.0",
        "id": "7",
        "type": TYPE,
        "source": "/tests",
        "time": "2025-03-01T09:00:00Z",
        "subject": "s",
        "dataschema": "/d",
        "parentid": "6",
        "content-type": "application/json",
    }
    assert (message.message_id, message.content_type, message.body) == ("7", "application/json", b'{"n": 1}')
    assert message.delivery_mode == DeliveryMode.PERSISTENT


@pytest.mark.parametrize("structured", [True, False])
def test_an_event_without_time_travels_with_year_one(setting: Setting, structured: bool) -> None:
    timeless = {name: value for name, value in event().items() if name != "time"}

    async def scenario() -> object:
        async with running(setting) as run, await aio_pika.connect(setting.broker_url) as connection:
            queue = await bound_queue(run, await connection.channel())
            if structured:
                headers = {"content-type": "application/cloudevents+json"}
                async with run.http.post(run.url, json=timeless, headers=headers) as answer:
                    assert answer.status == 202
            else:
                await run.post(timeless)
            message = await queue.get(timeout=10)
            await message.ack()
            return message.headers["time"]

    assert asyncio.run(scenario()) == "0001-01-01T00:00:00Z"


def test_what_amqp_cannot_carry_is_refused_for_good(setting: Setting) -> None:
    async def scenario() -> None:
        async with running(setting) as run:
            with pytest.raises(BadInput, match="AMQP cannot carry the event"):
                await run.broker.publish(Message(event("i" * 300), None, b""))
            run.broker.check()

    asyncio.run(scenario())


def test_a_reply_that_rabbitmq_refuses_is_given_to_it_again_without_another_delivery(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    answered = {"ce-specversion": "1.0", "ce-id": "r", "ce-source": "/s", "ce-type": "org.example.answered"}
    slower = setting.with_(policy=Policy(retries=10, delay=0.1, linear=True, timeout=10))

    async def scenario() -> None:
        async with (
            running(slower, [Reply(200, answered)]) as run,
            await aio_pika.connect(setting.broker_url) as connection,
        ):
            channel = await connection.channel()
            exchange = await channel.get_exchange(run.names.exchange)
            queue = await channel.declare_queue(
                exclusive=True, arguments={"x-max-length": 0, "x-overflow": "reject-publish"}
            )
            await queue.bind(exchange, arguments={"type": answered["ce-type"], "x-match": "all"})
            await run.post(event())
            await until(lambda: caplog.text.count("is handed on once more") >= 2)
            assert len(run.subscriber.of("1")) == 1
            await queue.delete(if_unused=False, if_empty=False)
            await run.finish()
            assert len(run.subscriber.of("1")) == 1
            assert not run.letters.of("1")

    asyncio.run(scenario())


def test_a_wrong_password_ends_the_start(setting: Setting) -> None:
    wrong = setting.with_(broker_url=setting.broker_url.replace("guest:guest", "guest:wrong"))

    async def scenario() -> None:
        async with running(wrong):
            pass

    with pytest.raises(BadInput, match="RabbitMQ refuses user or password"):
        asyncio.run(scenario())


def test_a_queue_that_is_made_otherwise_ends_the_start_and_is_named(setting: Setting) -> None:
    async def scenario() -> str:
        async with running(setting) as run:
            name = run.names.queue(TRIGGER)
        with pytest.raises(BadInput, match=f"{name}.*delete it there"):
            async with running(setting.with_(dead_letters=False)):
                pass
        return name

    asyncio.run(scenario())


def test_why_rabbitmq_is_away_is_told(setting: Setting, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with running(setting.with_(broker_url="amqp://guest:guest@127.0.0.1:1/")) as run:
            with pytest.raises(Unavailable, match=r"RabbitMQ is away \(.*Connect call failed"):
                run.broker.check()

    asyncio.run(scenario())
    assert "RabbitMQ is away (AMQPConnectionError" in caplog.text


def test_a_message_that_is_no_event_does_not_stop_the_others(setting: Setting) -> None:
    async def scenario() -> None:
        async with running(setting) as run, await aio_pika.connect(setting.broker_url) as connection:
            exchange = await (await connection.channel()).get_exchange(run.names.exchange)
            await exchange.publish(aio_pika.Message(b"?", headers={"type": TYPE}), "")
            await run.post(event())
            await run.finish()
            assert len(run.subscriber.of("1")) == 1

    asyncio.run(scenario())


def test_what_was_being_delivered_when_the_broker_was_killed_is_delivered_again(setting: Setting) -> None:
    async def scenario() -> None:
        async with running(Setting("memory"), [Reply(204, after=1)]) as victim:  # lends it a subscriber
            command = [sys.executable, "-m", "tests.contract.broker_process"]
            url = victim.subscriber_url
            process = await asyncio.create_subprocess_exec(
                *command, setting.broker_url, setting.namespace, url, stdout=subprocess.PIPE
            )
            assert process.stdout is not None
            ingress = (await process.stdout.readline()).decode().strip()
            sent = {f"ce-{n}": v for n, v in event().items()}
            async with victim.http.post(ingress, data=b"{}", headers=sent) as answer:
                assert answer.status == 202
            await until(lambda: bool(victim.subscriber.of("1")))
            process.kill()
            await process.wait()
        async with running(setting) as run:
            await until(lambda: bool(run.subscriber.of("1")))

    asyncio.run(scenario())


def test_a_broker_that_stops_gives_back_what_waits_for_another_try(setting: Setting) -> None:
    slow = setting.with_(policy=Policy(retries=5, delay=60, timeout=10))

    async def scenario() -> None:
        async with running(slow, [Reply(503)]) as run:
            await run.post(event())
            await run.post(event("2"))
            await until(lambda: bool(run.subscriber.of("1")))
            run.courier.stopping.set()
            await run.broker.settle()
        async with running(slow) as run:
            await until(lambda: {got.headers["ce-id"] for got in run.subscriber.received} == {"1", "2"})

    asyncio.run(scenario())


def test_rabbitmq_away_refuses_events_and_back_again_delivers_what_it_has(rabbitmq: Rabbitmq, setting: Setting) -> None:
    """An event that was accepted and not delivered outlives a restart; the broker connects again by itself."""
    slow = setting.with_(policy=Policy(retries=5, delay=1, timeout=10))

    async def scenario() -> None:
        async with running(slow, [Reply(503)]) as run:
            await run.post(event())
            await until(lambda: bool(run.subscriber.of("1")))
            await asyncio.to_thread(rabbitmq.stop)
            try:
                assert await run.post(event("refused")) == 500
                with pytest.raises(Unavailable, match="RabbitMQ is away"):
                    run.broker.check()
            finally:
                await asyncio.to_thread(rabbitmq.start)
            run.subscriber.answers = (Reply(204),)
            tries = len(run.subscriber.of("1"))
            await until(lambda: len(run.subscriber.of("1")) > tries)
            run.broker.check()
            assert await run.post(event("2")) == 202
            await until(lambda: bool(run.subscriber.of("2")))
            assert not run.subscriber.of("refused")

    asyncio.run(scenario())


@pytest.mark.slow
def test_nothing_accepted_is_lost_when_rabbitmq_is_killed_under_load(rabbitmq: Rabbitmq, setting: Setting) -> None:
    busy = setting.with_(parallelism=8)

    async def scenario() -> None:
        async with running(busy) as run:
            answers: dict[str, int] = {}
            going = True

            async def load(who: int) -> None:
                n = 0
                while going:
                    n += 1
                    answers[f"{who}-{n}"] = await run.post(event(f"{who}-{n}"))
                    if answers[f"{who}-{n}"] != 202:
                        await asyncio.sleep(0.05)

            loads = [asyncio.create_task(load(who)) for who in range(8)]
            await until(lambda: len(answers) > 100)
            await asyncio.to_thread(rabbitmq.kill)
            await asyncio.to_thread(rabbitmq.start)
            back = len(run.subscriber.received)
            await until(lambda: len(run.subscriber.received) > back + 100)
            going = False
            await asyncio.gather(*loads)
            accepted = {id_ for id_, status in answers.items() if status == 202}
            assert Counter(answers.values()).keys() == {202, 500}
            await until(lambda: accepted <= {got.headers["ce-id"] for got in run.subscriber.received})

    asyncio.run(scenario())
