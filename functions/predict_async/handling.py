"""What events are handled by."""

from functools import cached_property
from typing import TYPE_CHECKING

from matchcast.domain.event import Event
from matchcast.errors import TimedOut
from matchcast.ports.events import Deadline
from matchcast.telemetry import Telemetry
from matchcast.web.connections import Connections

if TYPE_CHECKING:
    from matchcast.usecases.asynchronous import Forecasting
    from matchcast.usecases.renew import Renewer


class Handlers:
    """By type; what they need is imported with the first of a kind, so that a POST does not wait for it.

    Args:
        service: on whose behalf.
    """

    def __init__(self, to: Connections, service: str, telemetry: Telemetry) -> None:
        self._to = to
        self._service = service
        self._telemetry = telemetry

    def forecast(self, event: Event, deadline: Deadline) -> Event | None:
        """Of prediction.requested."""
        try:
            return self._forecasting.carry_out(event, self._to.now(), deadline)
        except TimedOut:
            self._telemetry.timeouts.inc()
            raise

    def renew(self, event: Event, deadline: Deadline) -> Event | None:
        """Of matches.ingested and model.promoted."""
        return self._renewer.renew(event, deadline)

    @cached_property
    def _forecasting(self) -> "Forecasting":
        from functions.predict_async.forecasting import forecasting_with

        return forecasting_with(self._to, self._service, self._telemetry)

    @cached_property
    def _renewer(self) -> "Renewer":
        from functions.predict_async.renewing import renewer_with

        return renewer_with(self._to, self._service)
