"""penaltyblog's forecasts: what they may depend on, and that they are worth comparing with."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from matchcast.domain.match import SourceMatch
from matchcast.errors import BadInput
from matchcast.model.metrics import log_loss_each, paired_difference
from matchcast.usecases.backtest import MatchTable, table_of
from tests.measure.peers.dixon_coles import dixon_coles
from tests.measure.peers.forecasts import DIXON_COLES, TWO_DIVISIONS, Probs, Window, peer_forecasts
from tests.measure.peers.ratings import rate
from tests.unit.peers.synthetic import CLUBS, LEAGUE, league

pytest.importorskip("penaltyblog", reason="penaltyblog is not installed: uv sync --group peers")

WINDOW = Window(date(2018, 7, 1), date(2019, 6, 30), (LEAGUE,), date(2015, 7, 1))
WEEK = date(2018, 10, 13)


@cache
def forecasts() -> tuple[MatchTable, dict[str, Probs]]:
    """The unchanged league."""
    table = table_of(league())
    return table, peer_forecasts(table.columns, WINDOW)


def midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def lines(table: MatchTable, probs: Probs, until: date) -> dict[tuple[str, str], bytes]:
    """Forecasts of the season's matches up to a day, to the bit."""
    chosen = WINDOW.wanted(table.columns) & (table.columns.day <= midnight(until))
    return {table.names[i]: probs[i].tobytes() for i in np.flatnonzero(chosen).tolist()}


def reversed_score(row: SourceMatch) -> SourceMatch:
    return row._replace(home_goals=row.away_goals, away_goals=row.home_goals)


CHANGES: dict[str, Callable[[list[SourceMatch]], list[SourceMatch]]] = {
    "change": lambda rows: [reversed_score(r) if r.kickoff_at.date() >= WEEK else r for r in rows],
    "delete": lambda rows: [r for r in rows if r.kickoff_at.date() <= WEEK],
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_result_on_or_after_a_match_day_changes_a_peers_forecast(change: str) -> None:
    """Not even the other results of the day: a peer gets no help from the future."""
    table, before = forecasts()
    changed = table_of(CHANGES[change](league()))
    after = peer_forecasts(changed.columns, WINDOW)
    for name, probs in before.items():
        kept = lines(table, probs, WEEK)
        assert len(kept) > 50
        assert lines(changed, after[name], WEEK) == kept, name


def test_an_earlier_result_does_change_the_ratings_and_the_model() -> None:
    """A guard for the law above."""
    table, before = forecasts()
    changed = table_of([reversed_score(r) if r.kickoff_at.date() < WEEK else r for r in league()])
    after = peer_forecasts(changed.columns, WINDOW)
    for name, probs in before.items():
        assert lines(changed, after[name], WEEK) != lines(table, probs, WEEK), name


def test_peers_beat_base_rates_on_clubs_of_different_strength() -> None:
    table, found = forecasts()
    base = found["base rates"]
    for name in (DIXON_COLES, TWO_DIVISIONS, "penaltyblog pi, logistic", "penaltyblog Elo, logistic"):
        both = np.isfinite(found[name]).all(axis=1)
        happened = table.columns.outcome[both]
        gain = paired_difference(log_loss_each(found[name][both], happened), log_loss_each(base[both], happened))
        assert gain.mean < -2 * gain.standard_error, name


def test_forecasts_are_made_for_what_was_wanted_only_and_sum_to_one() -> None:
    table, found = forecasts()
    wanted = WINDOW.wanted(table.columns)
    assert wanted.sum() == CLUBS * (CLUBS - 1)
    for name, probs in found.items():
        told = np.isfinite(probs).all(axis=1)
        assert not (told & ~wanted).any(), name
        assert probs[told].sum(axis=1) == pytest.approx(1.0), name


def test_a_club_nobody_has_seen_has_no_forecast_until_a_result_of_its_is_known() -> None:
    """The promoted club's first day only; base rates need to know no club."""
    table, found = forecasts()
    wanted = WINDOW.wanted(table.columns)
    its = [i for i in np.flatnonzero(wanted).tolist() if f"Club {CLUBS + 2}" in table.names[i]]
    first = [i for i in its if table.columns.day[i] == table.columns.day[its].min()]
    for name, probs in found.items():
        without = np.flatnonzero(wanted & np.isnan(probs).any(axis=1)).tolist()
        assert without == ([] if name == "base rates" else first), name


def test_elo_and_pi_by_hand_after_one_home_win() -> None:
    """K 20 and 100 points for playing at home; alpha 0.15, beta 0.10 and k 0.75 of penaltyblog's pi."""
    rows = league(seasons=1)
    one = min(rows, key=lambda r: r.kickoff_at)
    won = one._replace(home_goals=2, away_goals=0)
    again = one._replace(kickoff_at=one.kickoff_at.replace(year=2016))
    ratings = rate(table_of([won, again]).columns)
    moved = 20 * (1 - 1 / (1 + 10 ** (-100 / 400)))
    assert ratings.elo_difference == pytest.approx([0.0, 2 * moved / 400])
    error = 2 / (1 + 0.75 * 2)
    assert ratings.pi_difference == pytest.approx([0.0, 0.15 * error + 0.15 * error])
    assert ratings.known.tolist() == [False, True]


def test_the_window_of_dixon_coles_forgets_older_matches() -> None:
    """With a window of a year, what was scored in the first season says nothing of the last."""
    rows = league()
    table = table_of(rows)
    wanted: NDArray[np.bool_] = WINDOW.wanted(table.columns) & (table.columns.day <= midnight(date(2018, 8, 31)))
    changed = table_of([reversed_score(r) if r.season == 2015 else r for r in rows]).columns
    short, long = (
        np.array_equal(dixon_coles(table.columns, wanted, window_days=days)[wanted],
                       dixon_coles(changed, wanted, window_days=days)[wanted], equal_nan=True)
        for days in (365, 5 * 365)
    )  # fmt: skip
    assert (short, long) == (True, False)


def test_a_promoted_club_is_known_from_the_division_below_where_that_is_fitted_too() -> None:
    rows, new = league(), f"Club {CLUBS + 2}"
    below = [
        r._replace(tournament="england:championship", home_team=new, away_team=f"Club {n}", source_id=f"below-{n}")
        for n, r in enumerate(r for r in rows if r.season == 2017 and r.source_id.endswith("0"))
    ]
    table = table_of([*rows, *below])
    wanted = WINDOW.wanted(table.columns) & (table.columns.day <= midnight(date(2018, 8, 31)))
    alone, both = (dixon_coles(table.columns, wanted, with_below=with_below)[wanted] for with_below in (False, True))
    assert np.isnan(alone).any()
    assert not np.isnan(both).any()
    told = ~np.isnan(alone[:, 0])
    assert not np.array_equal(alone[told], both[told])


def test_nothing_to_learn_from_is_said() -> None:
    early = WINDOW._replace(start=date(2015, 7, 1), end=date(2015, 12, 31))
    with pytest.raises(BadInput, match="--from"):
        peer_forecasts(table_of(league(seasons=1)).columns, early)
