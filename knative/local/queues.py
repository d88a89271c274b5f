"""What waits in a broker in memory, told as RabbitMQ's management API tells it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from knative.local.activator import refuse
from knative.local.memory import MemoryBroker
from knative.local.topology import BINDING_KEY, BrokerNames
from matchcast.ports.metrics import TriggerQueue

_HOST: Final = b"%2F"


class ToldQueues:
    """An ASGI application that answers GET /api/bindings/%2F and GET /api/queues/%2F.

    Args:
        brokers: by name.
    """

    def __init__(self, namespace: str, brokers: Mapping[str, MemoryBroker]) -> None:
        self._namespace = namespace
        self._brokers = brokers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answers = {b"/api/bindings/" + _HOST: self._bindings, b"/api/queues/" + _HOST: self._queues}
        answer = answers.get(scope.get("raw_path", b""))
        if answer is None or scope["method"] != "GET":
            await refuse(scope, receive, send, 404, "there is GET /api/bindings/%2F and GET /api/queues/%2F")
            return
        body = json.dumps([told for broker in self._brokers.values() for told in answer(broker.queues())]).encode()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
            }
        )
        await send({"type": "http.response.body", "body": body})

    def _bindings(self, queues: Sequence[TriggerQueue]) -> Iterable[dict[str, Any]]:
        for queue in queues:
            names, arguments = BrokerNames(self._namespace, queue.broker), {BINDING_KEY: queue.trigger}
            for source, destination in (
                (names.exchange, names.queue(queue.trigger)),
                (names.dead_exchange(queue.trigger), names.dead_queue(queue.trigger)),
            ):
                yield {
                    "source": source,
                    "destination": destination,
                    "destination_type": "queue",
                    "arguments": arguments,
                }

    def _queues(self, queues: Sequence[TriggerQueue]) -> Iterable[dict[str, Any]]:
        for queue in queues:
            names = BrokerNames(self._namespace, queue.broker)
            yield _queue(names.queue(queue.trigger), queue.waiting, queue.in_delivery, queue.consumers)
            yield _queue(names.dead_queue(queue.trigger), queue.dying, 0, queue.consumers)


def _queue(name: str, ready: int, unacknowledged: int, consumers: int) -> dict[str, Any]:
    return {
        "name": name,
        "messages_ready": ready,
        "messages_unacknowledged": unacknowledged,
        "consumers": consumers,
    }
