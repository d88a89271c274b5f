"""The state of a pairing as it would be under an assumption: hypothetical state, read like any other.

No part of the code hash: no model is trained on such rows.
"""

from collections.abc import Sequence
from typing import Final

from matchcast.domain.match import Fixture
from matchcast.features.columns import seconds
from matchcast.features.contract import FeatureContract
from matchcast.features.layout import T_LAST_KICKOFF, T_PLAYED
from matchcast.features.reading import DAY_SECONDS
from matchcast.ports import PairingState

REST: Final = "rest_days"


def reads_rest(contract: FeatureContract) -> bool:
    """Whether any feature tells how long a club has rested."""
    return any(feature.metric == REST for feature in contract.features)


def has_rested(team: Sequence[float]) -> bool:
    """Whether a club has a match to rest from."""
    return team[T_PLAYED] > 0.0


def with_rest(pairing: PairingState, fixture: Fixture, home_days: int | None, away_days: int | None) -> PairingState:
    """The pairing as if each club's last match had been so many whole days before the kick-off; None leaves it as it was.

    Nothing else is read of when that match was, so no other feature changes.
    """
    return pairing._replace(
        home=_rested(pairing.home, fixture, home_days), away=_rested(pairing.away, fixture, away_days)
    )


def _rested(team: Sequence[float], fixture: Fixture, days: int | None) -> Sequence[float]:
    if days is None:
        return team
    state = list(team)
    state[T_LAST_KICKOFF] = seconds(fixture.kickoff_at) - days * DAY_SECONDS
    return state
