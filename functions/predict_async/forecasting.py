"""What forecasts asked for by events are made with."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from matchcast.domain.forecast import Forecast, LedgerRow, Pairing
from matchcast.features.contract import kernel_hash
from matchcast.telemetry import Telemetry
from matchcast.usecases.asynchronous import Forecasting, Made
from matchcast.usecases.champion import Champion
from matchcast.usecases.predict import forecast_for
from matchcast.usecases.publish import Published
from matchcast.web.connections import Connections
from matchcast.web.problems import problem_data
from matchcast.web.replies import ForecastReply, forecast_reply, prediction_reply


def forecasting_with(to: Connections, service: str, telemetry: Telemetry) -> Forecasting:
    """Everything that forecasting opens, from one instance's connections."""
    forecast = forecaster(to.champion(), to.snapshot(kernel_hash()), to.code_revision(), telemetry)
    return Forecasting(service, forecast, to.ledger(), to.tasks(), to.inbox(), to.transaction, problem_data, to.now)


def forecaster(
    champion: Callable[[], Champion],
    published: Callable[[], Published],
    code_revision: str,
    telemetry: Telemetry,
) -> Callable[[int | Pairing, datetime], Made]:
    """Makes forecasts with the champion and the snapshot of the moment; they show as POST /predict/ shows them."""

    def forecast(asked: int | Pairing, now: datetime) -> Made:
        (bundle, pointer), snapshot = champion(), published().snapshot
        with telemetry.inference_seconds.time():
            answer = forecast_for(asked, bundle=bundle, snapshot=snapshot, code_revision=code_revision, now=now)

        def reply_to(made: Forecast) -> ForecastReply:
            return forecast_reply(made, answer.coverage, snapshot, bundle.run_id, now)

        telemetry.show_model(pointer.version, pointer.registered_at)
        telemetry.predictions.labels("async").inc()
        chances = answer.forecast.probabilities
        telemetry.confidence.labels(reply_to(answer.forecast).predicted).observe(max(chances))

        def shown(row: LedgerRow) -> Mapping[str, Any]:
            told: dict[str, Any] = msgspec.to_builtins(prediction_reply(reply_to(row.forecast), row.forecast_id))
            return told

        return Made(answer.forecast, shown)

    return forecast
