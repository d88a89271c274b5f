"""A broker, by its address."""

from collections.abc import Callable
from typing import Final
from weakref import finalize

import httpx

from matchcast.adapters.claims import lightened
from matchcast.adapters.cloudevents import event_http
from matchcast.domain.event import Event
from matchcast.errors import Unavailable
from matchcast.ports import ObjectStore

SECONDS: Final = 5.0


class HttpSink:
    """The `Sink` port: an event is posted, and taken when the broker says 2xx.

    Args:
        url: of the broker, as K_SINK has it.
        objects: opens the store for data too large to travel.
        seconds: how long each of connecting, sending and answering may take.
    """

    def __init__(self, url: str, objects: Callable[[], ObjectStore], seconds: float = SECONDS) -> None:
        self._url = url
        self._objects = objects
        self._client = httpx.Client(timeout=seconds, limits=httpx.Limits(max_keepalive_connections=32))
        finalize(self, self._client.close)

    def publish(self, event: Event) -> None:
        headers, body = event_http(lightened(event, self._objects))
        try:
            answer = self._client.post(self._url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(
                f"the broker at {self._url} cannot be reached ({error}); try again when it is back"
            ) from error
        if not answer.is_success:
            raise Unavailable(f"the broker at {self._url} did not take the event ({answer.status_code}); try again")
