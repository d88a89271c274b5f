"""A broker on RabbitMQ in a process of its own, to be killed: URL NAMESPACE SUBSCRIBER. Prints its ingress's URL."""

import asyncio
import sys

from knative.local.delivery import Courier, Place, Policy, Subscription
from knative.local.ingress import Ingress
from knative.local.listeners import Listeners
from knative.local.rabbitmq import RabbitmqBroker
from knative.local.topology import BrokerNames
from tests.contract.brokers import CLUSTER, TRIGGER, TYPE


async def main(url: str, namespace: str, subscriber: str) -> None:
    listeners = Listeners()
    ingress = listeners.open()
    # the dead-letter sink is never reached; it makes the queues the same as those of a Trigger that has one
    to = Subscription(
        TRIGGER, {"type": TYPE}, Place(CLUSTER, subscriber), Policy(retries=5), Place("letters", subscriber)
    )
    broker = RabbitmqBroker(url, BrokerNames(namespace, "only"), [to], Courier())
    listeners.serve(ingress, Ingress(broker))
    await listeners.start()
    await broker.start()
    sys.stdout.write(ingress + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
