"""Forecasters side by side: identical matches, and what is left out is counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from matchcast.model.metrics import log_loss_each, rps_each
from tests.measure.peers.standing import season_gaps, season_plot, standings

N = 300


def forecasts(seed: int) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int64]]:
    """Ours, a peer that cannot say a third, and a market without every tenth price."""
    generator = np.random.default_rng(seed)
    made = {name: generator.dirichlet((4, 3, 3), N) for name in ("ours", "peer", "close")}
    made["peer"][generator.random(N) < 0.3] = np.nan
    made["close"][::10] = np.nan
    return made, generator.integers(0, 3, N)


@given(seed=st.integers(0, 10_000))
def test_each_line_is_on_the_matches_that_all_its_figures_know(seed: int) -> None:
    """Whatever is missing: counts add up and differences are means over exactly those matches."""
    made, outcomes = forecasts(seed)
    found = {one.name: one for one in standings(made, outcomes, ("ours", "close"))}
    priced, told = np.isfinite(made["close"][:, 0]), np.isfinite(made["peer"][:, 0])
    for name, common in (("ours", priced), ("close", priced), ("peer", priced & told)):
        one = found[name]
        assert (one.scores.matches, one.left_out) == (common.sum(), N - common.sum())
        for other, (rps, log_loss) in one.to.items():
            theirs, happened = made[other][common], outcomes[common]
            assert rps.mean == pytest.approx(
                float(np.mean(rps_each(made[name][common], happened) - rps_each(theirs, happened)))
            )
            assert log_loss.mean == pytest.approx(
                float(np.mean(log_loss_each(made[name][common], happened) - log_loss_each(theirs, happened)))
            )
    assert set(found["peer"].to) == {"ours", "close"}
    assert set(found["ours"].to) == {"close"}
    assert found["ours"].to["close"].rps.mean == pytest.approx(-found["close"].to["ours"].rps.mean)


def test_who_has_no_match_in_common_has_no_line() -> None:
    made, outcomes = forecasts(1)
    made["silent"] = np.full((N, 3), np.nan)
    assert [one.name for one in standings(made, outcomes, ("ours", "close"))] == ["ours", "peer", "close"]


def test_season_gaps_weighed_by_matches_are_the_whole_difference() -> None:
    """And the plot has a line for each forecaster but the reference."""
    made, outcomes = forecasts(2)
    seasons = np.repeat(np.array([2019, 2020, 2021], dtype=np.int32), N // 3)
    gaps = season_gaps(made, outcomes, seasons, "close")
    peer = [gap for gap in gaps if gap.name == "peer"]
    (whole,) = [one for one in standings(made, outcomes, ("close",)) if one.name == "peer"]
    assert sum(gap.matches for gap in peer) == whole.scores.matches
    assert sum(gap.rps.mean * gap.matches for gap in peer) / whole.scores.matches == pytest.approx(
        whole.to["close"].rps.mean
    )
    (axes,) = season_plot(gaps, "close").axes
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["ours", "peer"]
