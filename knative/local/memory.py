"""A broker in this process: at least once while the process lives; what is not acknowledged ends with it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from knative.local.delivery import Courier, GivenUp, Onward, Subscription, dispatch, dispatch_dead
from knative.local.messages import Message
from matchcast.errors import Unavailable
from matchcast.ports.metrics import TriggerQueue

_LOG: Final = logging.getLogger("matchcast.broker")


class MemoryBroker:
    """One Broker with its Triggers.

    Args:
        name: of the Broker.
    """

    def __init__(self, name: str, subscriptions: Sequence[Subscription], courier: Courier) -> None:
        self._name = name
        self._subscriptions = subscriptions
        self._courier = courier
        self._onward = Onward(self.publish, self._bury)
        self._queues: dict[str, asyncio.Queue[Message]] = {s.name: asyncio.Queue() for s in subscriptions}
        self._dead: dict[str, asyncio.Queue[Message]] = {s.name: asyncio.Queue() for s in subscriptions}
        self._in_delivery = dict.fromkeys(self._queues, 0)
        self._dying = dict.fromkeys(self._queues, 0)
        self._workers: list[asyncio.Task[None]] = []
        self._open = 0
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    def check(self) -> None:
        """
        Raises:
            Unavailable: it is closed.
        """
        if self._closed:
            raise Unavailable(f"broker {self._name} is closed")

    async def start(self) -> None:
        for to in self._subscriptions:
            for _ in range(to.parallelism):
                work = self._work(self._queues[to.name], to, dispatch, self._in_delivery)
                self._workers.append(asyncio.create_task(work))
                if to.dead_letters is not None:
                    work = self._work(self._dead[to.name], to, dispatch_dead, self._dying)
                    self._workers.append(asyncio.create_task(work))

    @property
    def busy(self) -> bool:
        """Whether anything is queued or being delivered."""
        return self._open > 0

    def queues(self) -> Sequence[TriggerQueue]:
        """What waits for each Trigger."""
        return [
            TriggerQueue(
                self._name,
                to.name,
                self._queues[to.name].qsize(),
                self._in_delivery[to.name],
                0 if self._closed or not self._workers else to.parallelism,
                self._dead[to.name].qsize() + self._dying[to.name],
            )
            for to in self._subscriptions
        ]

    async def settle(self) -> None:
        """Wait until nothing is."""
        await self._idle.wait()

    async def close(self) -> None:
        """End; what is left is lost, and what comes is refused."""
        self._closed = True
        if self._open:
            _LOG.error("broker %s: %d events are lost with this process", self._name, self._open)
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def publish(self, message: Message) -> None:
        """Queue an event for each subscription that wants it.

        Raises:
            Unavailable: the broker is closed.
        """
        self.check()
        for to in self._subscriptions:
            if message.matches(to.wanted):
                self._put(self._queues[to.name], message)

    async def _bury(self, to: Subscription, message: Message) -> None:
        self._put(self._dead[to.name], message)

    def _put(self, queue: "asyncio.Queue[Message]", message: Message) -> None:
        self._open += 1
        self._idle.clear()
        queue.put_nowait(message)

    async def _work(
        self,
        queue: "asyncio.Queue[Message]",
        to: Subscription,
        handle: Callable[[Message, Subscription, Courier, Onward], Awaitable[None]],
        in_hand: dict[str, int],
    ) -> None:
        while True:
            message = await queue.get()
            in_hand[to.name] += 1
            try:
                await handle(message, to, self._courier, self._onward)
            except GivenUp:
                _LOG.error("%s to %s is lost with this process: it waited for another try", message.name, to.name)
            except Exception:
                _LOG.exception("%s to %s is lost", message.name, to.name)
            finally:
                in_hand[to.name] -= 1
                self._open -= 1
                if not self._open:
                    self._idle.set()
