"""What events are handled by."""

from datetime import timedelta

from matchcast.domain.event import Event
from matchcast.ports.events import Deadline
from matchcast.settings import DriftSettings
from matchcast.web.connections import Connections


class Handlers:
    """By type; what they need is imported with the first of a kind, so that a GET does not wait for it.

    Args:
        service: on whose behalf.
    """

    def __init__(self, to: Connections, settings: DriftSettings, service: str) -> None:
        self._to = to
        self._service = service
        self._settings = settings

    def settle(self, event: Event, deadline: Deadline) -> Event | None:
        """Of matches.ingested."""
        from matchcast.usecases.settle import Settler

        to = self._to
        return Settler(self._service, to.settlements(), to.prices(), to.inbox()).settle(event, to.now(), deadline)

    def watch(self, event: Event, deadline: Deadline) -> Event | None:
        """Of the daily ping, which also sweeps away what is too old."""
        from functions.drift.watching import watch_with
        from matchcast.usecases.sweep import sweep

        now = self._to.now()
        sweep(self._to.leftovers(), now, timedelta(days=self._settings.retention_days), deadline)
        return watch_with(self._to, self._settings, self._service).check(event, now, deadline)
