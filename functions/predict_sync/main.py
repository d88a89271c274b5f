"""POST /predict/ and GET /predict/model/info."""

import os
from collections.abc import Callable, Mapping

from functions.predict_sync.requests import ModelReply, PredictRequest, model_reply
from matchcast.features.contract import kernel_hash
from matchcast.model.explain import METHOD
from matchcast.ports import Clock, Ledger
from matchcast.settings import PredictSyncSettings, read_settings
from matchcast.telemetry import Telemetry, log_as_json
from matchcast.usecases.champion import Champion
from matchcast.usecases.predict import forecast_for, record
from matchcast.usecases.publish import Published
from matchcast.web.answers import Answer, etag_of, unless_known
from matchcast.web.app import WebApp
from matchcast.web.connections import Connections
from matchcast.web.operations import Call, Terms
from matchcast.web.replies import (
    PredictionReply,
    explanation_reply,
    fair_odds_reply,
    forecast_reply,
    interval_reply,
    prediction_reply,
)


def build(
    *,
    champion: Callable[[], Champion],
    published: Callable[[], Published],
    ledger: Callable[[], Ledger],
    terms: Terms,
    now: Clock,
    code_revision: Callable[[], str],
) -> WebApp:
    """The application; everything it is given is opened on first use."""
    telemetry = Telemetry()
    web = WebApp(
        "predict-sync", checks={"model": champion, "snapshot": published}, telemetry=telemetry, terms=terms,
    )  # fmt: skip

    @web.post(
        "/predict/", tag="forecasts", body=PredictRequest, gives=PredictionReply, scopes=("predict",), idempotent=True
    )
    def predict(call: Call[None, PredictRequest]) -> PredictionReply:
        """Forecast a known fixture or any pairing of clubs."""
        body = call.body
        with telemetry.prediction_seconds.time():
            (bundle, pointer), snapshot, asked_at = champion(), published().snapshot, now()
            with telemetry.inference_seconds.time():
                answer = forecast_for(
                    body.asked(), bundle=bundle, snapshot=snapshot, code_revision=code_revision(), now=asked_at
                )
            forecast = answer.forecast
            reply = forecast_reply(forecast, answer.coverage, snapshot, bundle.run_id, asked_at)
            fair_odds = fair_odds_reply(forecast.probabilities) if body.fair_odds else None
            explanation = explanation_reply(bundle.explainer.explain(answer.row[0]), METHOD) if body.explain else None
            interval = (
                interval_reply(bundle.interval, bundle.interval.bounds(bundle.forecaster, answer.row)[0].tolist())
                if body.interval and bundle.interval
                else None
            )
            forecast_id = record(forecast, ledger, asked_at)  # last: what fails before it leaves no row
        telemetry.show_model(pointer.version, pointer.registered_at)
        telemetry.predictions.labels("sync").inc()
        telemetry.confidence.labels(reply.predicted).observe(max(forecast.probabilities))
        return prediction_reply(reply, forecast_id, fair_odds=fair_odds, explanation=explanation, interval=interval)

    @web.get("/predict/model/info", tag="model", gives=ModelReply, scopes=("predict",))
    def model_info(call: Call[None, None]) -> Answer:
        """The model in use."""
        current = champion()
        etag = etag_of(current.pointer.version, current.pointer.manifest_sha256, current.pointer.promoted_at)
        return unless_known(call.request, etag, lambda: model_reply(current))

    return web


def app(environment: Mapping[str, str] = os.environ) -> WebApp:  # uvicorn --factory functions.predict_sync.main:app
    """The application as the environment says; opens nothing yet."""
    settings = read_settings(PredictSyncSettings, environment)
    log_as_json(settings.log_level)
    to = Connections(settings)
    return build(
        champion=to.champion(),
        published=to.snapshot(kernel_hash()),
        ledger=to.ledger,
        terms=to.terms,
        now=to.now,
        code_revision=to.code_revision,
    )
