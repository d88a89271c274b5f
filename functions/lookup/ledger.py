"""GET /predict/{match_id}/history and GET /accuracy."""

from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from functions.lookup.asked import Cursor, Limit, Name, read_instants
from matchcast.fields import MatchId
from matchcast.ports import Clock, Ledger, MatchFilter, MatchReader, StateSnapshot
from matchcast.ports.accuracy import Group, SettledFilter, SettledScores
from matchcast.ports.cache import Cache
from matchcast.ports.scores import SettledMatches
from matchcast.usecases.history import match_history
from matchcast.usecases.lookup import resolve_filter
from matchcast.web.answers import Answer, etag_of, unless_known
from matchcast.web.app import WebApp
from matchcast.web.instants import InstantText
from matchcast.web.operations import Call
from matchcast.web.replies import next_path
from matchcast.web.replies_ledger import AccuracyReply, HistoryReply, accuracy_reply, history_reply

FORECASTS_ANSWER: Final = (
    "GET /predict/ and GET /predict/{match_id} show the current forecasts; POST /predict/ makes others"
)
MATCHES_ANSWER: Final = "GET /matches/ and GET /accuracy tell of matches and of how forecasts did"
_KEPT_SECONDS = 86_400.0


class AskedHistory(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Part of a match's history."""

    match_id: MatchId
    cursor: Cursor | None = None
    limit: Limit = 50


class AskedAccuracy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which settled forecasts are judged, and by what they are told apart."""

    tournament: Annotated[Name | None, Meta(description="id or name")] = None
    model: Annotated[Name | None, Meta(description="a version")] = None
    date_from: Annotated[InstantText | None, Meta(description="first day or instant of kick-offs")] = None
    date_to: Annotated[InstantText | None, Meta(description="last day, or the instant before which")] = None
    by: Annotated[Group | None, Meta(description="what groups are made of")] = None

    def __post_init__(self) -> None:
        read_instants(self.date_from, self.date_to)

    def chosen(self, snapshot: Callable[[], StateSnapshot]) -> SettledFilter:
        """With the canonical id of the tournament."""
        wanted = resolve_filter(MatchFilter(tournament=self.tournament), snapshot)
        return SettledFilter(wanted.tournament, self.model, *read_instants(self.date_from, self.date_to))


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
        "/accuracy", tag="accuracy", asked=AskedAccuracy, gives=AccuracyReply, meanwhile=FORECASTS_ANSWER
    )  # fmt: skip
    def accuracy_of(call: Call[AskedAccuracy, None]) -> Answer:
        """How well settled forecasts foretold, beside the base rate and the market."""
        chosen, by, settled_scores = call.asked.chosen(snapshot), call.asked.by, scores()
        head = settled_scores.head()
        etag = etag_of(head, repr(chosen), str(by))

        def shown() -> bytes:
            key = f"accuracy:{etag}"
            kept = cache().get(key)
            if kept is not None:
                return kept
            from matchcast.usecases.accuracy import accuracy

            made = msgspec.json.encode(accuracy_reply(accuracy(chosen, by, settled_scores), by, head))
            cache().put(key, made, _KEPT_SECONDS)
            return made

        return unless_known(call.request, etag, shown)
