"""The exchanges, queues and bindings of a Broker on RabbitMQ, as the real controller declares them."""

import uuid
from collections.abc import Sequence
from typing import Final, NamedTuple

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractExchange

from knative.local.delivery import Subscription

BINDING_KEY: Final = "x-knative-trigger"
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

    async def declare(
        self, channel: AbstractChannel, subscriptions: Sequence[Subscription]
    ) -> tuple[AbstractExchange, dict[str, AbstractExchange]]:
        """Declare everything that is not there.

        Returns:
            The Broker's exchange, and the dead-letter exchanges by Trigger.
        """
        exchange = await channel.declare_exchange(self.exchange, ExchangeType.HEADERS, durable=True)
        dead_exchanges = {}
        for to in subscriptions:
            arguments: dict[str, str] = {"x-queue-type": self.queue_type}
            key = {BINDING_KEY: to.name, "x-match": "all"}
            if to.dead_letters is not None:
                dead = await channel.declare_exchange(self.dead_exchange(to.name), ExchangeType.HEADERS, durable=True)
                letters = await channel.declare_queue(self.dead_queue(to.name), durable=True, arguments={**arguments})
                await letters.bind(dead, arguments={**key})
                dead_exchanges[to.name] = dead
                arguments["x-dead-letter-exchange"] = dead.name
            queue = await channel.declare_queue(self.queue(to.name), durable=True, arguments={**arguments})
            await queue.bind(exchange, arguments={**to.wanted, **key})
        return exchange, dead_exchanges
