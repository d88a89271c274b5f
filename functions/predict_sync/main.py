"""POST /predict/ and GET /predict/model/info."""

import os
from collections.abc import Callable, Mapping

from functions.predict_sync.answering import Answering
from functions.predict_sync.replies import BatchReply, ModelReply, is_passing, model_reply
from functions.predict_sync.requests import PredictRequest
from matchcast.adapters.watched import Watched
from matchcast.features.contract import kernel_hash
from matchcast.ports import Clock, LedgerEnd, ObjectStore
from matchcast.ports.cache import Cache
from matchcast.settings import PredictSyncSettings, read_settings
from matchcast.telemetry import Telemetry, log_as_json
from matchcast.usecases.champion import Champion
from matchcast.usecases.models import Challenger, Models
from matchcast.usecases.publish import Published
from matchcast.usecases.shown import ShownForecasts
from matchcast.web.answers import Answer, etag_of, unless_known
from matchcast.web.app import WebApp
from matchcast.web.connections import Connections
from matchcast.web.operations import Call, Terms
from matchcast.web.replies import PredictionReply


def build(
    *,
    champion: Watched[Champion],
    challenger: Callable[[], Challenger],
    objects: Callable[[], ObjectStore],
    published: Watched[Published],
    ledger: Callable[[], LedgerEnd],
    cache: Callable[[], Cache],
    terms: Terms,
    telemetry: Telemetry,
    now: Clock,
    code_revision: Callable[[], str],
) -> WebApp:
    """The application; everything it is given is opened on first use."""
    web = WebApp(
        "predict-sync", checks={"model": champion, "snapshot": published}, telemetry=telemetry, terms=terms,
    )  # fmt: skip
    shown = ShownForecasts(ledger, cache, code_revision, now)
    answering = Answering(
        champion, Models(champion, challenger, objects), published, shown, now, terms.seconds, telemetry
    )

    @web.post(
        "/predict/",
        tag="forecasts",
        body=PredictRequest,
        gives=(PredictionReply, BatchReply),
        scopes=("predict",),
        idempotent=True,
        weight=PredictRequest.weight,
        meanwhile="GET /predict/{match_id} shows the current forecasts of the fixtures that are known",
    )
    async def predict(call: Call[None, PredictRequest]) -> Answer:
        """Forecast a known fixture or any pairing of clubs, or up to 200 of them.

        A forecast is made once and recorded in the ledger; asked for again, it is shown as it stands there.
        """
        reply = await answering(call)
        return Answer(reply, passing=is_passing(reply))

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
        challenger=to.challenger(),
        objects=lambda: to.objects,
        published=to.snapshot(kernel_hash()),
        ledger=to.ledger_end,
        cache=lambda: to.shared,
        terms=to.terms,
        telemetry=to.telemetry(),
        now=to.now,
        code_revision=to.code_revision,
    )
