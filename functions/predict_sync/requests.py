"""What predict-sync is asked."""

from typing import Annotated, Any, ClassVar, Final

from msgspec import Meta, Struct

from matchcast.domain.assumption import MOST_REST_DAYS, Assumption, Hypothetical
from matchcast.domain.forecast import CHAMPION
from matchcast.errors import BadInput
from matchcast.fields import Plain
from matchcast.usecases.question import Question
from matchcast.web.instants import InstantText
from matchcast.web.requests import PAIRING_EXAMPLE, ForecastRequest

MOST_MATCHES: Final = 200
RestDays = Annotated[int, Meta(ge=1, le=MOST_REST_DAYS)]
ModelName = Annotated[
    Plain, Meta(min_length=1, max_length=80, description="champion, challenger or a version; by default the champion")
]


class Assume(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to assume of a match: the answer is hypothetical, and no part of the ledger."""

    neutral_venue: Annotated[bool, Meta(description="neither club plays at home")] = False
    home_rest_days: Annotated[
        RestDays | None, Meta(description="days from the home club's last match to the kick-off")
    ] = None
    away_rest_days: Annotated[RestDays | None, Meta(description="likewise of the away club")] = None

    def assumption(self) -> Assumption:
        """As the use case takes it."""
        return Assumption(self.neutral_venue, self.home_rest_days, self.away_rest_days)


class MatchRequest(ForecastRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One match of several: `match_id`, or two clubs, tournament and kick-off; what is wrong with it is told in its place."""

    EXAMPLES: ClassVar[tuple[dict[str, Any], ...]] = ()

    kickoff_at: (
        Annotated[str, Meta(max_length=40, description="as for one match; a wrong one is told in its place")] | None
    ) = None
    assume: Assume | None = None

    def __post_init__(self) -> None:
        """Checked when it is its turn: the others are answered all the same."""

    def question(self) -> Question:
        """As the use case takes it.

        Raises:
            BadInput: it names no match.
        """
        super().__post_init__()
        asked = self.asked()
        return asked if self.assume is None else Hypothetical(asked, self.assume.assumption())


class PredictRequest(MatchRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`match_id` of a known fixture, or two clubs, tournament and kick-off (an instant, or the day in UTC where the time is
    not known), or up to 200 such `matches`; and what the answer is to hold besides."""

    EXAMPLES: ClassVar[tuple[dict[str, Any], ...]] = (
        PAIRING_EXAMPLE,
        {"match_id": 5312459872401, "explain": True, "interval": True},
        PAIRING_EXAMPLE | {"assume": {"neutral_venue": True, "home_rest_days": 3}},
        {"matches": [PAIRING_EXAMPLE, {"match_id": 5312459872401}], "model": "champion"},
    )

    kickoff_at: InstantText | None = None
    matches: Annotated[list[MatchRequest], Meta(min_length=1, max_length=MOST_MATCHES)] | None = None
    model: ModelName = CHAMPION
    fair_odds: Annotated[bool, Meta(description="answer with the forecast's fair odds too")] = False
    explain: Annotated[bool, Meta(description="answer with what each family of features did to the forecast too")] = (
        False
    )
    interval: Annotated[bool, Meta(description="answer with how far each probability may be off too")] = False

    def weight(self) -> int:
        """As how many requests it counts."""
        return 1 if self.matches is None else len(self.matches)

    def __post_init__(self) -> None:
        if self.matches is None:
            self.question()
        else:
            given = [name for name in MatchRequest.__struct_fields__ if getattr(self, name) is not None]
            if given:
                raise BadInput(f"matches: says it all; leave out {', '.join(given)}", "matches")
        besides = next((name for name in ("explain", "interval") if getattr(self, name)), None)
        if besides and any(match.assume is not None for match in self.matches or [self]):
            raise BadInput(f"{besides}: is not told of what is only assumed; leave it or assume out", besides)
