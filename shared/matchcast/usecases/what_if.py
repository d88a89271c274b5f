"""What the model would say under an assumption.

Only state that the model reads is assumed otherwise; everything else stays as it is, to the bit. An assumption that the
model could not notice is refused, rather than answered with the forecast that it does not change.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from matchcast.domain.assumption import MOST_REST_DAYS, Assumption
from matchcast.domain.forecast import Probabilities
from matchcast.domain.match import Fixture
from matchcast.errors import BadInput
from matchcast.features.assuming import has_rested, reads_rest, with_rest
from matchcast.features.online import read_row
from matchcast.model.bundle import Bundle
from matchcast.model.venue import neutral
from matchcast.ports import PairingState, StateSnapshot


def rows_under(
    assumed: Assumption, fixture: Fixture, pairing: PairingState, snapshot: StateSnapshot, bundle: Bundle
) -> list[list[float]]:
    """The rows that the model reads: one, or at a neutral venue a second one with the clubs swapped.

    Args:
        pairing: the state of the fixture in the snapshot.
    Raises:
        BadInput: nothing is assumed that the model would notice, or a club has no match to rest from; names the field.
    """
    home_days, away_days = assumed.home_rest_days, assumed.away_rest_days
    _check(assumed, fixture, pairing, bundle)
    row = read_row(with_rest(pairing, fixture, home_days, away_days), fixture, bundle.contract)
    if not assumed.neutral_venue:
        if np.array_equal(row, read_row(pairing, fixture, bundle.contract), equal_nan=True):
            raise BadInput(
                "assume: changes nothing that the model reads; assume a neutral venue or another rest than the clubs have, "
                "or leave it out",
                "assume",
            )
        return [row]
    swapped = replace(fixture, home_team=fixture.away_team, away_team=fixture.home_team, match_id=None)
    turned = with_rest(snapshot.pairing(swapped), swapped, away_days, home_days)
    return [row, read_row(turned, swapped, bundle.contract)]


def pooled(probabilities: Sequence[Probabilities]) -> Probabilities:
    """What the model made of `rows_under`, as one forecast."""
    return probabilities[0] if len(probabilities) == 1 else neutral(*probabilities)


def _check(assumed: Assumption, fixture: Fixture, pairing: PairingState, bundle: Bundle) -> None:
    if bundle.contract.market_from:
        raise BadInput(
            f"assume: model {bundle.version} reads bookmakers' prices, which are of the match as it is; ask another model",
            "assume",
        )
    sides = (
        ("home_rest_days", assumed.home_rest_days, pairing.home, fixture.home_team),
        ("away_rest_days", assumed.away_rest_days, pairing.away, fixture.away_team),
    )
    for name, days, team, club in sides:
        field = f"assume.{name}"
        if days is None:
            continue
        if not 1 <= days <= MOST_REST_DAYS:
            raise BadInput(f"{field}: {days} is out of range; give 1 to {MOST_REST_DAYS}", field)
        if not reads_rest(bundle.contract):
            raise BadInput(f"{field}: model {bundle.version} takes no notice of rest; leave it out", field)
        if not has_rested(team):
            raise BadInput(f"{field}: no match of {club} is known that it could rest from; leave it out", field)
