"""The exchanges, queues and bindings of a Broker on RabbitMQ, as the real controller declares them."""

import json
import logging
import uuid
from collections.abc import Sequence
from typing import Final, NamedTuple

from aio_pika import DeliveryMode, ExchangeType, Message
from aio_pika.abc import AbstractChannel, AbstractExchange

from knative.local.delivery import Subscription

BINDING_KEY: Final = "x-knative-trigger"
_LOG: Final = logging.getLogger("matchcast.broker")
_NAMESPACE: Final = uuid.UUID("0f8a3d5c-6b0e-5c39-9d3c-6b6e61746976")


def _uid(kind: str, namespace: str, name: str) -> str:
    """What the cluster would give the object; here always the same, so that queues outlive the process."""
    return str(uuid.uuid5(_NAMESPACE, f"{kind}/{namespace}/{name}"))


class BrokerNames(NamedTuple):
    """What things are called on RabbitMQ.

    Attributes:
        queue_type: `quorum` or `classic`.
    """

    namespace: str
    broker: str
    queue_type: str = "quorum"

    @property
    def exchange(self) -> str:
        return f"b.{self.namespace}.{self.broker}.{_uid('Broker', self.namespace, self.broker)}"

    def dead_exchange(self, trigger: str) -> str:
        return f"t.{self.namespace}.{trigger}.dlx.{_uid('Trigger', self.namespace, trigger)}"

    def queue(self, trigger: str) -> str:
        return f"{self.namespace}.{trigger}.{_uid('Broker', self.namespace, self.broker)}"

    def dead_queue(self, trigger: str) -> str:
        return f"t.{self.namespace}.{trigger}.dlq.{_uid('Trigger', self.namespace, trigger)}"

    @property
    def record(self) -> str:
        """A queue of one message: what the Triggers asked for when they were last declared. AMQP lists no bindings."""
        return f"{self.namespace}.{self.broker}.bindings.{_uid('Broker', self.namespace, self.broker)}"

    async def declare(
        self, channel: AbstractChannel, subscriptions: Sequence[Subscription]
    ) -> tuple[AbstractExchange, dict[str, AbstractExchange]]:
        """Declare everything that is not there, and undo what Triggers asked for before and do not now.

        Returns:
            The Broker's exchange, and the dead-letter exchanges by Trigger.
        """
        exchange = await channel.declare_exchange(self.exchange, ExchangeType.HEADERS, durable=True)
        dead_exchanges = {}
        for to in subscriptions:
            arguments: dict[str, str] = {"x-queue-type": self.queue_type}
            key = _key(to.name)
            if to.dead_letters is not None:
                dead = await channel.declare_exchange(self.dead_exchange(to.name), ExchangeType.HEADERS, durable=True)
                letters = await channel.declare_queue(self.dead_queue(to.name), durable=True, arguments={**arguments})
                await letters.bind(dead, arguments={**key})
                dead_exchanges[to.name] = dead
                arguments["x-dead-letter-exchange"] = dead.name
            queue = await channel.declare_queue(self.queue(to.name), durable=True, arguments={**arguments})
            await queue.bind(exchange, arguments={**to.wanted, **key})
        await self._unbind_former(channel, exchange, {to.name: dict(to.wanted) for to in subscriptions})
        return exchange, dead_exchanges

    async def _unbind_former(
        self, channel: AbstractChannel, exchange: AbstractExchange, bound: dict[str, dict[str, str]]
    ) -> None:
        record = await channel.declare_queue(self.record, durable=True, arguments={"x-queue-type": self.queue_type})
        former = []
        while (message := await record.get(fail=False)) is not None:
            former.append(message)
            for trigger, wanted in json.loads(message.body).items():
                queue = await channel.get_queue(self.queue(trigger), ensure=False)
                if bound.get(trigger) != wanted:
                    await queue.unbind(exchange, arguments={**wanted, **_key(trigger)})
                if trigger not in bound:
                    words = "Trigger %s is gone: its queue %s keeps what it has and gets nothing more; delete it there"
                    _LOG.warning(words, trigger, queue.name)
        now = Message(json.dumps(bound).encode(), delivery_mode=DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(now, self.record)
        for message in former:
            await message.ack()


def _key(trigger: str) -> dict[str, str]:
    return {BINDING_KEY: trigger, "x-match": "all"}
