"""A broker on RabbitMQ: the real one's exchanges, queues, bindings and headers, publisher confirms, prefetch of 100."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

import aio_pika
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractIncomingMessage,
    DeliveryMode,
)
from aiormq.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelInvalidStateError,
    ChannelPreconditionFailed,
    ProbableAuthenticationError,
)

from knative.local.delivery import Courier, GivenUp, Onward, Subscription, dispatch, dispatch_dead
from knative.local.messages import Message, Value
from knative.local.topology import BrokerNames
from matchcast.errors import BadInput, Unavailable

PREFETCH: Final = 100
CONFIRM_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 2.0
SETUP_SECONDS: Final = 20.0
"""A node that is starting may take connections and not answer."""
RECONNECT_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
BROKEN: Final = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError)
"""What a connection or channel that is gone, or a refusal, raises."""
REFUSED: Final = (AuthenticationError, ProbableAuthenticationError, ChannelPreconditionFailed)
"""Those of them that waiting does not mend."""

_LOG: Final = logging.getLogger("matchcast.broker")

Handle = Callable[[Message, Subscription, Courier, Onward], Awaitable[None]]


class RabbitmqBroker:
    """One Broker with its Triggers.

    While RabbitMQ is away events are refused, and what was being delivered comes again when it is back.

    Args:
        url: of RabbitMQ.
        names: of exchanges and queues.
    """

    def __init__(self, url: str, names: BrokerNames, subscriptions: Sequence[Subscription], courier: Courier) -> None:
        self._url = url
        self._names = names
        self._subscriptions = subscriptions
        self._courier = courier
        self._onward = Onward(self.publish, self._bury)
        self._exchange: AbstractExchange | None = None
        self._dead_exchanges: dict[str, AbstractExchange] = {}
        self._consumers: list[_Consumer] = []
        self._closed = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._first_try = asyncio.Event()
        self._cause = "nobody has connected to it"

    def check(self) -> None:
        """
        Raises:
            Unavailable: RabbitMQ is away.
        """
        if self._exchange is None:
            raise self._away()

    def _away(self) -> Unavailable:
        words = f"broker {self._names.broker} takes events when it is back"
        return Unavailable(f"RabbitMQ is away ({self._cause}); {words}")

    async def start(self) -> None:
        """Connect, or go on trying to.

        Raises:
            BadInput: RabbitMQ takes neither user nor password, or has a queue or exchange that is made otherwise.
        """
        self._running = asyncio.create_task(self._run())
        waiting = asyncio.create_task(self._first_try.wait())
        await asyncio.wait([self._running, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._running.done():
            await self._running

    @property
    def busy(self) -> bool:
        """Whether anything is being delivered."""
        return any(consumer.busy for consumer in self._consumers)

    async def settle(self) -> None:
        """Take nothing more from the queues and wait until nothing is being delivered."""
        await asyncio.gather(*(consumer.settle() for consumer in self._consumers))

    async def close(self) -> None:
        """End; what is not acknowledged stays in RabbitMQ."""
        self._closed.set()
        if self._running is not None and not self._running.done():
            await self._running

    async def publish(self, message: Message) -> None:
        """Publish an event and wait for RabbitMQ's confirmation.

        Raises:
            BadInput: AMQP cannot carry it.
            Unavailable: RabbitMQ is away or did not confirm.
        """
        await self._publish(self._exchange, message)

    async def _bury(self, to: Subscription, message: Message) -> None:
        await self._publish(self._dead_exchanges.get(to.name), message)

    async def _publish(self, exchange: AbstractExchange | None, message: Message) -> None:
        if exchange is None:
            raise self._away()
        try:
            await exchange.publish(to_amqp(message), "", mandatory=False, timeout=CONFIRM_SECONDS)
        except BROKEN as error:
            raise Unavailable(f"RabbitMQ did not take the event ({_words(error)}); try again") from error
        except (TypeError, ValueError) as error:
            raise BadInput(f"attributes: AMQP cannot carry the event ({error}); correct it", "attributes") from error

    async def _run(self) -> None:
        failures = 0
        while not self._closed.is_set():
            try:
                async with asyncio.timeout(SETUP_SECONDS) as patience:
                    async with await aio_pika.connect(self._url) as connection:
                        lost = await self._settle_in(connection)
                        patience.reschedule(None)
                        failures = 0
                        await _either(lost, self._closed)
                        await self._leave()
                self._cause = "the connection broke"
            except BROKEN as error:
                self._cause = _words(error)
                if isinstance(error, REFUSED) and not self._first_try.is_set():
                    raise BadInput(f"broker {self._names.broker}: {_remedy(error)}", "broker") from error
            finally:
                await self._leave()
            if not self._closed.is_set():
                if not failures:
                    _LOG.warning("broker %s: RabbitMQ is away (%s)", self._names.broker, self._cause)
                self._first_try.set()
                pause = RECONNECT_SECONDS[min(failures, len(RECONNECT_SECONDS) - 1)]
                failures += 1
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closed.wait(), pause)

    async def _settle_in(self, connection: AbstractConnection) -> asyncio.Event:
        """Declare, consume, and take events; the event tells that something of it is lost."""
        publishing = await connection.channel(publisher_confirms=True)
        exchange, dead_exchanges = await self._names.declare(publishing, self._subscriptions)
        lost = asyncio.Event()
        connection.close_callbacks.add(lambda *_: lost.set())
        publishing.close_callbacks.add(lambda *_: lost.set())
        self._exchange, self._dead_exchanges = exchange, dead_exchanges
        for to in self._subscriptions:
            queues = [(self._names.queue(to.name), dispatch)]
            if to.dead_letters is not None:
                queues.append((self._names.dead_queue(to.name), dispatch_dead))
            for queue, handle in queues:
                channel = await connection.channel(publisher_confirms=False)
                channel.close_callbacks.add(lambda *_: lost.set())
                consumer = _Consumer(queue, to, handle, self._courier, self._onward)
                self._consumers.append(consumer)
                await consumer.start(channel)
        _LOG.info("broker %s: connected to RabbitMQ", self._names.broker)
        self._first_try.set()
        return lost

    async def _leave(self) -> None:
        """Take no events, and leave to RabbitMQ what is not acknowledged."""
        self._exchange, self._dead_exchanges = None, {}
        consumers, self._consumers = self._consumers, []
        await asyncio.gather(*(consumer.abandon() for consumer in consumers))


def _words(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()


def _remedy(error: BaseException) -> str:
    """What to do about one of `REFUSED`."""
    if isinstance(error, ChannelPreconditionFailed):
        return f"RabbitMQ has it made otherwise ({error}); once it is empty, delete it there and start again"
    return f"RabbitMQ refuses user or password ({_words(error)}); correct the URL"


async def _either(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


class _Consumer:
    """Takes events from a queue; as many workers as the subscription is parallel, each blocked by its event's retries."""

    def __init__(self, queue: str, to: Subscription, handle: Handle, courier: Courier, onward: Onward) -> None:
        self._queue = queue
        self._to = to
        self._handle = handle
        self._courier = courier
        self._onward = onward
        self._fetched: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        self._channel: AbstractChannel | None = None
        self._workers: list[asyncio.Task[None]] = []
        self._stopping = False
        self._in_flight = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def start(self, channel: AbstractChannel) -> None:
        self._channel = channel
        await channel.set_qos(prefetch_count=PREFETCH)
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._to.parallelism)]
        queue = await channel.get_queue(self._queue, ensure=False)
        await queue.consume(self._fetched.put)

    @property
    def busy(self) -> bool:
        return self._in_flight > 0

    async def settle(self) -> None:
        """Take no further event; wait for those in flight."""
        self._stopping = True
        await self._quiet.wait()

    async def abandon(self) -> None:
        """Leave everything that is not acknowledged to be delivered again."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._channel is not None:
            with suppress(*BROKEN):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._channel.close()

    async def _work(self) -> None:
        while True:
            fetched = await self._fetched.get()
            if self._stopping:
                continue  # it goes back to its queue with the channel
            self._in_flight += 1
            self._quiet.clear()
            try:
                await self._settle(fetched)
            finally:
                self._in_flight -= 1
                if not self._in_flight:
                    self._quiet.set()

    async def _settle(self, fetched: AbstractIncomingMessage) -> None:
        try:
            message = from_amqp(fetched)
        except KeyError as error:
            _LOG.error("a message in %s is no event (%s is missing)", self._queue, error)
            await fetched.reject(requeue=False)
            return
        try:
            await self._handle(message, self._to, self._courier, self._onward)
            await fetched.ack()
        except GivenUp:
            pass  # it goes back to its queue with the channel
        except BadInput as error:
            _LOG.error("%s to %s cannot be handled: %s", message.name, self._to.name, error)
            with suppress(*BROKEN):
                await fetched.reject(requeue=False)
        except Unavailable as error:
            _LOG.warning("%s to %s will come again: %s", message.name, self._to.name, error)
            with suppress(*BROKEN):
                await fetched.reject(requeue=True)
        except BROKEN as error:
            _LOG.warning("%s to %s may come again: %s", message.name, self._to.name, error)
        except Exception:
            _LOG.exception(
                "%s to %s was not handled; it comes again with the next connection", message.name, self._to.name
            )


def to_amqp(message: Message) -> aio_pika.Message:
    """The event as the real ingress writes it: attributes as headers without prefix, data as the body."""
    headers: dict[str, Value] = dict(message.attributes)
    if message.content_type:
        headers["content-type"] = message.content_type
    return aio_pika.Message(
        message.data,
        headers=headers,  # type: ignore[arg-type]  # a dict of fewer kinds of values
        content_type=message.content_type,
        message_id=str(message.attributes["id"]),
        delivery_mode=DeliveryMode.PERSISTENT,
    )


def from_amqp(fetched: AbstractIncomingMessage) -> Message:
    """The event in a message; RabbitMQ's own headers begin with x-.

    Raises:
        KeyError: an attribute is missing that every event has.
    """
    attributes = {name: _value(value) for name, value in fetched.headers.items() if not name.startswith("x-")}
    told = attributes.pop("content-type", None)
    for name in ("specversion", "id", "source", "type"):
        attributes[name]
    return Message(attributes, fetched.content_type or (None if told is None else str(told)), fetched.body)


def _value(value: object) -> Value:
    if isinstance(value, bytes | bytearray):
        return value.decode()
    return value if isinstance(value, str | bool | int) else str(value)
