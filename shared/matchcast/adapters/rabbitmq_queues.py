"""The queues of Triggers, as RabbitMQ's management API tells them."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit
from weakref import finalize

import httpx
import msgspec

from matchcast.errors import Unavailable
from matchcast.ports.metrics import TriggerQueue

BINDING_KEY: Final = "x-knative-trigger"
"""Argument of a binding that names the Trigger."""
NAMESPACE: Final = "matchcast"
"""Where the manifests put everything."""
SECONDS: Final = 2.0

_EXCHANGE: Final = re.compile(r"(?P<kind>[bt])\.(?P<rest>.+)\.[0-9a-f-]{36}")


class _Binding(msgspec.Struct):
    source: str
    destination: str
    destination_type: str
    arguments: dict[str, Any]


class _Queue(msgspec.Struct):
    name: str
    messages_ready: int = 0
    messages_unacknowledged: int = 0
    consumers: int = 0


_NONE: Final = _Queue("")


class _Of(NamedTuple):
    broker: str
    trigger: str


class RabbitmqQueues:
    """The `Queues` port.

    Args:
        url: of the management API, with user and password; its path is the virtual host, none for `/`.
        namespace: of Brokers and Triggers.
        seconds: how long each of connecting and answering may take.
    """

    def __init__(self, url: str, namespace: str = NAMESPACE, seconds: float = SECONDS) -> None:
        parts = urlsplit(url)
        host = unquote(parts.path.strip("/")) or "/"
        address = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        self._place: Final = f"{parts.scheme}://{address}"
        self._virtual_host: Final = quote(host, safe="")
        self._namespace = namespace
        user = (unquote(parts.username or "guest"), unquote(parts.password or "guest"))
        self._client = httpx.Client(base_url=self._place, auth=user, timeout=seconds, trust_env=False)
        finalize(self, self._client.close)

    def read(self) -> Sequence[TriggerQueue]:
        bindings = self._list("bindings", _Binding)
        queues = {queue.name: queue for queue in self._list("queues", _Queue)}
        return sorted(self._of_triggers(bindings, queues))

    def _of_triggers(self, bindings: Iterable[_Binding], queues: Mapping[str, _Queue]) -> Iterable[TriggerQueue]:
        taking: dict[_Of, str] = {}
        dying: dict[str, list[str]] = defaultdict(list)
        for binding in bindings:
            trigger, exchange = binding.arguments.get(BINDING_KEY), _EXCHANGE.fullmatch(binding.source)
            if binding.destination_type != "queue" or not isinstance(trigger, str) or exchange is None:
                continue
            if exchange["rest"] == f"{self._namespace}.{trigger}.dlx":
                dying[trigger].append(binding.destination)
            elif exchange["kind"] == "b" and exchange["rest"].startswith(f"{self._namespace}."):
                taking[_Of(exchange["rest"].removeprefix(f"{self._namespace}."), trigger)] = binding.destination
        for (broker, trigger), name in taking.items():
            queue = queues.get(name, _NONE)
            dead = [queues.get(letters, _NONE) for letters in dying[trigger]]
            yield TriggerQueue(
                broker,
                trigger,
                queue.messages_ready,
                queue.messages_unacknowledged,
                queue.consumers,
                sum(letters.messages_ready + letters.messages_unacknowledged for letters in dead),
            )

    def _list(self, what: str, kind: type[Any]) -> list[Any]:
        """
        Raises:
            Unavailable: the API is away, refuses, or answers something else.
        """
        try:
            answer = self._client.get(f"/api/{what}/{self._virtual_host}")
        except httpx.HTTPError as error:
            raise self._away(str(error) or type(error).__name__, "start RabbitMQ or correct it") from error
        if answer.status_code in (401, 403):
            raise self._away(f"it answered {answer.status_code}", "correct user and password in it")
        if not answer.is_success:
            raise self._away(f"it answered {answer.status_code}", "enable the plugin rabbitmq_management or correct it")
        try:
            return msgspec.json.decode(answer.content, type=list[kind])  # type: ignore[valid-type]
        except msgspec.DecodeError as error:
            raise self._away(f"its answer cannot be read ({error})", "correct it") from error

    def _away(self, reason: str, remedy: str) -> Unavailable:
        return Unavailable(f"queues cannot be read from {self._place} (MATCHCAST_QUEUES_URL): {reason}; {remedy}")
