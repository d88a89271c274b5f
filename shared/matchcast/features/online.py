"""One feature row for one pairing, in plain Python: what serving runs."""

from matchcast.domain.match import Fixture
from matchcast.features.arithmetic import NAN
from matchcast.features.columns import seconds
from matchcast.features.contract import FeatureContract
from matchcast.features.layout import L_SEASON
from matchcast.features.league import enter, has_entered
from matchcast.features.reading import QUANTITIES, read
from matchcast.ports import PairingState


def read_row(pairing: PairingState, fixture: Fixture, contract: FeatureContract) -> list[float]:
    """The row of a fixture, float64, in the contract's order; as float32 equal to the compiled pass's to the bit.

    Without a season the fixture is taken to belong to the league's current one.
    """
    home, home_seat = list(pairing.home), list(pairing.home_seat)
    away, away_seat = list(pairing.away), list(pairing.away_seat)
    season = float(fixture.season) if fixture.season is not None else pairing.league[L_SEASON]
    if not has_entered(home, home_seat, season):
        enter(home, home_seat, pairing.league, season)
    if not has_entered(away, away_seat, season):
        enter(away, away_seat, pairing.league, season)
    row = [NAN] * len(contract.fold)
    read(
        home,
        away,
        home_seat,
        away_seat,
        pairing.league,
        pairing.pair,
        pairing.home_is_first,
        season,
        float(seconds(fixture.kickoff_at)),
        contract.steps,
        [NAN] * QUANTITIES,
        row,
    )
    return [*row, *pairing.market] if contract.market_from else row
