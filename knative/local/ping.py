"""PingSources: events on a schedule."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from cronsim import CronSim, CronSimError

from knative.local.delivery import Courier, Place, Policy, Verdict
from knative.local.messages import Message
from knative.local.objects import PingSource
from matchcast.domain.event import named_id
from matchcast.errors import BadInput, Unavailable

TYPE: Final = "dev.knative.sources.ping"
POLICY: Final = Policy(retries=5, delay=0.5, timeout=10.0)

_FIELDS: Final = 5
_LOG: Final = logging.getLogger("matchcast.local")


def ping_event(source: PingSource, namespace: str, at: datetime) -> Message:
    """What a PingSource sends at an instant; the same whoever makes it."""
    name = f"/apis/v1/namespaces/{namespace}/pingsources/{source.metadata.name}"
    time = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return Message(
        {
            "specversion": "1.0",
            "id": named_id(name, time),
            "source": name,
            "type": TYPE,
            "time": time,
        },
        source.spec.content_type,
        source.spec.data.encode(),
    )


def next_due(source: PingSource, after: datetime) -> datetime:
    """When the source sends next.

    Raises:
        BadInput: the schedule is no five fields of cron, or has no instant.
    """
    schedule = source.spec.schedule
    try:
        if len(schedule.split()) != _FIELDS:
            raise CronSimError("it has not five fields")
        return next(CronSim(schedule, after.astimezone(UTC)))
    except (CronSimError, StopIteration) as error:
        raise BadInput(
            f"PingSource {source.metadata.name}: spec.schedule {schedule!r} is not right ({error}); write five fields",
            "spec.schedule",
        ) from error


class Pinger:
    """Sends one source's events.

    Args:
        sleep: for so many seconds.
    """

    def __init__(
        self,
        source: PingSource,
        namespace: str,
        sink: Place,
        courier: Courier,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._namespace = namespace
        self._sink = sink
        self._courier = courier
        self._now = now
        self._sleep = sleep
        next_due(source, now())

    async def run(self) -> None:
        """For ever."""
        due = self._now()
        while True:
            due = next_due(self._source, max(due, self._now()))
            while (left := (due - self._now()).total_seconds()) > 0:
                await self._sleep(min(left, 60))
            try:
                await self.send(due)
            except Unavailable as error:
                _LOG.error("%s", error)

    async def send(self, at: datetime) -> None:
        """Send an event.

        Raises:
            Unavailable: the sink does not take it.
        """
        event = ping_event(self._source, self._namespace, at)
        outcome = await self._courier.deliver(event, self._sink, POLICY)
        if outcome.verdict is not Verdict.TAKEN:
            name = self._source.metadata.name
            raise Unavailable(f"PingSource {name}: {self._sink.name} did not take its event ({outcome.code})")
        _LOG.info("PingSource %s sent %s", self._source.metadata.name, event.name)
