"""What the promotion gate lets through."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from matchcast.errors import NotFound
from matchcast.features.contract import FeatureContract, catalogue, choose, with_market
from matchcast.model.metrics import base_rates, log_loss_each
from pipeline.baseline import baseline_forecasts
from pipeline.evaluation import evaluate
from pipeline.match_table import BASELINE_COLUMNS, FORECAST_COLUMNS
from pipeline.params import PromotionGate
from pipeline.promote_model import are_made, forecasts_of
from pipeline.promotion import GateAnswer, HoldoutForecasts, ask_gate

GATE = PromotionGate(worst_ece=0.05, z=1.645, least_common_matches=200)
N = 3000


def chances(seed: int = 5) -> NDArray[np.float64]:
    """True chances of N matches."""
    return np.random.default_rng(seed).dirichlet([6.0, 4.0, 4.0], N)


def happened(probs: NDArray[np.float64]) -> NDArray[np.int64]:
    draws = np.random.default_rng(9).random(len(probs))
    outcomes: NDArray[np.int64] = (draws[:, None] > probs.cumsum(axis=1)[:, :2]).sum(axis=1)
    return outcomes


TRUTH = chances()
OUTCOMES = happened(TRUTH)
IDS = np.arange(N, dtype=np.int64)
NO_ODDS = np.full((N, 3), np.nan)


def blurred(probs: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    """Forecasts that miss by some noise."""
    raw = probs * np.exp(np.random.default_rng(1).normal(0.0, noise, probs.shape))
    result: NDArray[np.float64] = raw / raw.sum(axis=1, keepdims=True)
    return result


def sharpened(probs: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """Overconfident forecasts."""
    result: NDArray[np.float64] = probs**power / (probs**power).sum(axis=1, keepdims=True)
    return result


LOGISTIC = blurred(TRUTH, 0.6)
"""The baseline's forecasts: better than the base rate, worse than what is to pass."""


def kept(probs: NDArray[np.float64], chosen: slice = slice(None)) -> HoldoutForecasts:
    return HoldoutForecasts(IDS[chosen], probs[chosen], OUTCOMES[chosen])


def answer(
    probs: NDArray[np.float64],
    *theirs: HoldoutForecasts,
    champion: str | None = None,
    baseline: NDArray[np.float64] = LOGISTIC,
    withdrawn_at: str | None = None,
) -> GateAnswer:
    report: dict[str, Any] = evaluate(probs, OUTCOMES, base_rates(OUTCOMES), NO_ODDS)
    return ask_gate(
        GATE,
        candidate="new",
        report=report,
        ours=kept(probs),
        baseline=kept(baseline),
        champion=champion,
        theirs=theirs,
        withdrawn_at=withdrawn_at,
    )


def failed(given: GateAnswer) -> list[str]:
    return [check.name for check in given.checks if not check.passed]


def detail(given: GateAnswer, name: str) -> str:
    (found,) = [check.detail for check in given.checks if check.name == name]
    return found


def test_a_good_first_model_passes() -> None:
    assert answer(blurred(TRUTH, 0.1)).passed


def test_a_model_no_better_than_the_base_rate_is_refused() -> None:
    refused = answer(np.tile(base_rates(OUTCOMES), (N, 1)))
    assert "better than the base rate" in failed(refused)
    assert not refused.challenges


def test_a_model_no_better_than_the_logistic_baseline_is_refused() -> None:
    refused = answer(blurred(TRUTH, 0.3), baseline=blurred(TRUTH, 0.1))
    assert failed(refused) == ["better than the logistic baseline"]
    assert f"on {N} matches" in detail(refused, "better than the logistic baseline")
    same = answer(blurred(TRUTH, 0.1), baseline=blurred(TRUTH, 0.1))
    assert failed(same) == ["better than the logistic baseline"], "no gain is not better"
    assert not refused.challenges


def rated(families: list[str]) -> tuple[pa.Table, FeatureContract]:
    """Feature rows in which the first feature tells how likely a home win is, here and there unknown."""
    contract = choose(families, ["diff"], [], [], [])
    columns = {name: pa.array(np.zeros(N, dtype=np.float32)) for name in contract.names}
    told = np.where(IDS % 10 == 0, np.nan, np.log(TRUTH[:, 0] / TRUTH[:, 2]))
    columns[contract.names[0]] = pa.array(told.astype(np.float32))
    return pa.table({**columns, "outcome": pa.array(OUTCOMES)}), contract


def test_the_baseline_learns_from_ratings_alone() -> None:
    table, contract = rated(["elo", "rest"])
    probs = baseline_forecasts(table.slice(0, 2000), table.slice(2000), contract)
    rates = np.tile(base_rates(OUTCOMES[:2000]), (N - 2000, 1))
    assert log_loss_each(probs, OUTCOMES[2000:]).mean() < log_loss_each(rates, OUTCOMES[2000:]).mean() - 0.02
    without, other = rated(["rest"])
    assert np.array_equal(baseline_forecasts(without.slice(0, 2000), without.slice(2000), other), rates)


def test_forecasts_without_the_baselines_are_refused_with_the_remedy() -> None:
    columns = {"match_id": IDS, "outcome": OUTCOMES} | dict(zip(FORECAST_COLUMNS, TRUTH.T, strict=True))
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    assert np.array_equal(forecasts_of(table).probs, TRUTH)
    with pytest.raises(NotFound, match=r"lacks baseline_home, baseline_draw, baseline_away: .*-f final_train"):
        forecasts_of(table, BASELINE_COLUMNS)


def test_a_model_that_was_rolled_back_does_not_come_back_by_itself() -> None:
    refused = answer(TRUTH, kept(blurred(TRUTH, 0.3)), champion="old", withdrawn_at="2025-03-01T00:00:00+00:00")
    assert failed(refused) == ["not rolled back before"]
    assert "matchcast promote candidate" in detail(refused, "not rolled back before")
    assert not refused.challenges


def test_an_overconfident_model_is_refused_for_its_calibration() -> None:
    assert "calibrated" in failed(answer(sharpened(TRUTH, 2.5)))


def test_a_model_worse_than_the_champion_is_refused() -> None:
    given = answer(blurred(TRUTH, 0.35), kept(TRUTH), champion="old")
    assert failed(given) == ["not worse than the champion"]
    assert given.challenges, "it is good enough by itself"
    assert f"on {N} identical matches" in detail(given, "not worse than the champion")
    told = given.to_json()
    assert [check["name"] for check in told.pop("checks")] == [check.name for check in given.checks]
    assert told == {"candidate": "new", "champion": "old", "passed": False, "challenges": True}


def test_a_model_as_good_as_the_champion_passes() -> None:
    assert answer(blurred(TRUTH, 0.1), kept(blurred(TRUTH, 0.1)), champion="old").passed


def test_a_better_model_passes() -> None:
    assert answer(TRUTH, kept(blurred(TRUTH, 0.35)), champion="old").passed


def test_the_champion_itself_passes_without_comparison() -> None:
    assert answer(blurred(TRUTH, 0.1), champion="new").passed


def test_too_few_common_matches_are_no_proof_and_the_remedy_is_named() -> None:
    given = answer(blurred(TRUTH, 0.1), kept(TRUTH, slice(0, 199)), champion="old")
    assert failed(given) == ["not worse than the champion"]
    assert "matchcast promote candidate" in detail(given, "not worse than the champion")


def test_only_matches_that_both_forecast_are_compared() -> None:
    """A champion is not blamed for matches that it never forecast."""
    given = answer(blurred(TRUTH, 0.1), kept(TRUTH, slice(0, 150)), kept(TRUTH, slice(100, 400)), champion="old")
    assert "on 400 identical matches" in detail(given, "not worse than the champion")


def test_a_match_counts_with_the_forecast_that_was_made_first() -> None:
    worse = kept(sharpened(TRUTH, 3.0))
    assert answer(blurred(TRUTH, 0.2), worse, kept(TRUTH), champion="old").passed
    assert not answer(blurred(TRUTH, 0.35), kept(TRUTH), worse, champion="old").passed


def test_the_report_holds_every_score_beside_base_rate_and_market() -> None:
    odds = 1.0 / (TRUTH * 1.05)
    odds[: N // 2] = np.nan
    report = evaluate(blurred(TRUTH, 0.1), OUTCOMES, base_rates(OUTCOMES), odds)
    scores = {"log_loss", "rps", "brier", "ece", "accuracy", "roc_auc_ovr", "by_outcome", "matches"}
    assert scores == set(report["model"])
    assert set(report["model"]["by_outcome"]) == {"home", "draw", "away"}
    assert report["base_rate"]["model_minus_this"]["log_loss"]["mean"] < 0
    assert report["market"]["matches"] == report["market"]["model_on_the_same"]["matches"] == N - N // 2
    assert report["market"]["model_minus_this"]["rps"]["mean"] > 0
    assert report["market_shin"].keys() == report["market"].keys()
    assert report["market_shin"]["log_loss"] == pytest.approx(report["market"]["log_loss"], abs=0.01)
    assert report["base_rate"]["roc_auc_ovr"] == pytest.approx(0.5)


def test_without_odds_no_market_is_reported() -> None:
    assert "market" not in evaluate(TRUTH, OUTCOMES, base_rates(OUTCOMES), NO_ODDS)


def test_a_champion_is_not_run_on_other_bookmakers_prices() -> None:
    """Names alike are not enough: the market's columns are named the same whoever's prices they hold."""
    made = with_market(FeatureContract(catalogue()[:9]), ["bet365"])
    other = with_market(FeatureContract(catalogue()[:4]), ["pinnacle"])
    assert set(other.names) <= set(made.names)
    assert not are_made(other, made)
    assert are_made(with_market(FeatureContract(catalogue()[:4]), ["bet365"]), made)
    assert are_made(FeatureContract(catalogue()[:4]), made)
    assert not are_made(FeatureContract(catalogue()[:10]), made)
