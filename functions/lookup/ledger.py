"""GET /predict/{match_id}/history and GET /accuracy."""

from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from functions.lookup.asked import Cursor, Limit, read_instants
from matchcast.fields import MatchId, Name
from matchcast.ports import Clock, Ledger, MatchFilter, MatchReader, StateSnapshot
from matchcast.ports.accuracy import Group, SettledFilter, SettledScores
from matchcast.ports.cache import Cache
from matchcast.ports.scores import SettledMatches
from matchcast.usecases.history import match_history
from matchcast.usecases.lookup import judged_version, resolve_filter
from matchcast.web.answers import Answer, etag_of, is_known, marked
from matchcast.web.app import WebApp
from matchcast.web.instants import InstantText
from matchcast.web.operations import Call
from matchcast.web.replies import next_path
from matchcast.web.replies_ledger import AccuracyReply, HistoryReply, accuracy_reply, history_reply

FORECASTS_ANSWER: Final = (
    "GET /predict/ and GET /predict/{match_id} show the current forecasts; POST /predict/ makes others"
)
MATCHES_ANSWER: Final = "GET /matches/ and GET /accuracy tell of matches and of how forecasts did"
_SHAPE: Final = "2"
"""Of `AccuracyReply` and what its figures mean: another one is another answer, though nothing was settled."""
_KEPT_AS: Final = "accuracy:"
_KEPT_SECONDS: Final = 600.0


class AskedHistory(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Part of a match's history."""

    match_id: MatchId
    cursor: Cursor | None = None
    limit: Limit = 50


class AskedAccuracy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which settled forecasts are judged, and by what they are told apart."""

    tournament: Annotated[Name | None, Meta(description="id or name")] = None
    model: Annotated[Name | None, Meta(description="`champion` or a version")] = None
    date_from: Annotated[InstantText | None, Meta(description="first day or instant of kick-offs")] = None
    date_to: Annotated[InstantText | None, Meta(description="last day, or the instant before which")] = None
    by: Annotated[Group | None, Meta(description="what groups are made of")] = None

    def __post_init__(self) -> None:
        read_instants(self.date_from, self.date_to)

    def chosen(self, snapshot: Callable[[], StateSnapshot]) -> SettledFilter:
        """With the canonical id of the tournament and the model's version."""
        wanted = resolve_filter(MatchFilter(tournament=self.tournament), snapshot)
        version = None if self.model is None else judged_version(self.model, snapshot)
        return SettledFilter(wanted.tournament, version, *read_instants(self.date_from, self.date_to))


def add_ledger(
    web: WebApp,
    *,
    snapshot: Callable[[], StateSnapshot],
    ledger: Callable[[], Ledger],
    matches: Callable[[], MatchReader],
    settled: Callable[[], SettledMatches],
    scores: Callable[[], SettledScores],
    cache: Callable[[], Cache],
    now: Clock,
) -> None:
    """Add what the ledger has to tell; everything given is opened on first use."""

    @web.get(
        "/predict/{match_id}/history", tag="forecasts", asked=AskedHistory, gives=HistoryReply, scopes=("predict",),
        meanwhile=FORECASTS_ANSWER,
    )  # fmt: skip
    def history_of(call: Call[AskedHistory, None]) -> HistoryReply:
        """Every forecast of a match with its cause, which one counts, and how it was settled."""
        asked = call.asked
        history = match_history(
            asked.match_id, asked.cursor, asked.limit, now(), ledger=ledger(), matches=matches(), settled=settled()
        )
        return history_reply(history, next_path(call, history.page.next))

    @web.get(
        "/accuracy", tag="accuracy", asked=AskedAccuracy, gives=AccuracyReply, scopes=("predict",),
        meanwhile=FORECASTS_ANSWER,
    )  # fmt: skip
    def accuracy_of(call: Call[AskedAccuracy, None]) -> Answer:
        """How well settled forecasts foretold, beside the base rate and the market."""
        chosen, by, settled_scores = call.asked.chosen(snapshot), call.asked.by, scores()

        def etag_at(head: str) -> str:
            return etag_of(_SHAPE, head, repr(chosen), str(by))

        etag = etag_at(settled_scores.head())
        if is_known(call.request, etag):
            return Answer(None, 304, marked(etag))
        kept = cache().get(_KEPT_AS + etag)
        if kept is not None:
            return Answer(kept, headers=marked(etag))

        from matchcast.usecases.accuracy import accuracy

        report = accuracy(chosen, by, settled_scores)
        etag = etag_at(report.head)  # something may have been settled since
        made = msgspec.json.encode(accuracy_reply(report, by))
        cache().put(_KEPT_AS + etag, made, _KEPT_SECONDS)
        return Answer(made, headers=marked(etag))
