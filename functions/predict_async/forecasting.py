"""What forecasts asked for by events are made with."""

from collections.abc import Callable
from datetime import datetime

import msgspec

from matchcast.domain.forecast import Pairing
from matchcast.features.contract import kernel_hash
from matchcast.telemetry import Telemetry
from matchcast.usecases.asynchronous import Forecasting, Made
from matchcast.usecases.champion import Champion
from matchcast.usecases.predict import forecast_for
from matchcast.usecases.publish import Published
from matchcast.web.connections import Connections
from matchcast.web.problems import problem_data
from matchcast.web.replies import forecast_reply, prediction_reply


def forecasting_with(to: Connections, service: str, telemetry: Telemetry) -> Forecasting:
    """Everything that forecasting opens, from one instance's connections."""
    forecast = forecaster(to.champion(), to.snapshot(kernel_hash()), to.code_revision(), telemetry)
    return Forecasting(service, forecast, to.ledger(), to.tasks(), to.inbox(), to.transaction, problem_data)


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
        reply = forecast_reply(answer.forecast, answer.coverage, snapshot, bundle.run_id, now)
        telemetry.show_model(pointer.version, pointer.registered_at)
        telemetry.predictions.labels("async").inc()
        telemetry.confidence.labels(reply.predicted).observe(max(answer.forecast.probabilities))
        return Made(answer.forecast, lambda id_: msgspec.to_builtins(prediction_reply(reply, id_)))

    return forecast
