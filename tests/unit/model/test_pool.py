"""Scaled rows, the pool of members and how its weights are found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from matchcast.model.fit import fit_pool
from matchcast.model.forecaster import log_pool, softmax
from matchcast.model.scaling import Scaling

scores = arrays(np.float64, (3, 4, 3), elements=st.floats(-4, 4))
shares = arrays(np.float64, 3, elements=st.floats(0.01, 1)).map(lambda raw: raw / raw.sum())
temperatures = st.floats(0.5, 2)


def members_of(raw: np.ndarray) -> np.ndarray:
    return np.stack([softmax(each) for each in raw])


@given(scores, shares, temperatures)
def test_pooled_probabilities_sum_to_one_and_rows_do_not_see_each_other(
    raw: np.ndarray, weights: np.ndarray, temperature: float
) -> None:
    pooled = log_pool(members_of(raw), weights, temperature)
    assert pooled.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-12)
    alone = [log_pool(members_of(raw[:, i : i + 1]), weights, temperature)[0] for i in range(4)]
    assert np.array(alone).tobytes() == pooled.tobytes()


@given(scores, shares)
def test_members_that_agree_are_left_as_they_are(raw: np.ndarray, weights: np.ndarray) -> None:
    probs = softmax(raw[0])
    assert log_pool(np.stack([probs] * 3), weights) == pytest.approx(probs, abs=1e-12)


@given(scores, st.floats(0, 1))
def test_a_member_without_weight_does_not_matter(raw: np.ndarray, share: float) -> None:
    members, weights = members_of(raw), np.array([share, 1 - share, 0.0])
    assert log_pool(members, weights) == pytest.approx(log_pool(members[:2], weights[:2]), abs=1e-12)


@given(scores, shares, st.permutations(range(3)))
def test_the_order_of_members_does_not_matter(raw: np.ndarray, weights: np.ndarray, order: list[int]) -> None:
    members = members_of(raw)
    assert log_pool(members[order], weights[order]) == pytest.approx(log_pool(members, weights), abs=1e-12)


@given(scores, shares, arrays(np.float64, 3, elements=st.floats(0.2, 5)))
def test_evidence_may_come_before_or_after_the_pool(raw: np.ndarray, weights: np.ndarray, evidence: np.ndarray) -> None:
    """Members that all learn the same evidence pool to what the pool becomes by it (external Bayesianity)."""

    def learnt(probs: np.ndarray) -> np.ndarray:
        return np.asarray(probs * evidence / (probs * evidence).sum(axis=-1, keepdims=True))

    members = members_of(raw)
    assert log_pool(learnt(members), weights) == pytest.approx(learnt(log_pool(members, weights)), abs=1e-12)


@given(scores, shares, st.floats(1.01, 3))
def test_heat_flattens_and_keeps_the_order_of_outcomes(raw: np.ndarray, weights: np.ndarray, heat: float) -> None:
    cold, hot = log_pool(members_of(raw), weights), log_pool(members_of(raw), weights, heat)
    assert (hot.max(axis=1) <= cold.max(axis=1) + 1e-12).all()
    for before, after in zip(cold, hot, strict=True):
        assert after[before.argmax()] == after.max()


def outcomes_of(probs: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return np.asarray((generator.random((len(probs), 1)) > probs.cumsum(axis=1)).sum(axis=1))


def test_weights_find_the_member_that_knows() -> None:
    generator = np.random.default_rng(3)
    truth = generator.normal(size=(4000, 3))
    members = members_of(np.stack([truth, *generator.normal(size=(2, 4000, 3))]))
    weights, temperature = fit_pool(members, outcomes_of(members[0], generator), 10)
    assert weights[0] > 0.9
    assert weights[1:].max() < 0.05
    assert temperature == pytest.approx(1, abs=0.15)
    assert weights.sum() == pytest.approx(1)


def test_temperature_cools_members_that_are_too_sure() -> None:
    generator = np.random.default_rng(4)
    truth = generator.normal(size=(4000, 3))
    outcomes = outcomes_of(softmax(truth), generator)
    _, temperature = fit_pool(members_of(np.stack([2 * truth] * 3)), outcomes, 10)
    assert temperature == pytest.approx(2, rel=0.1)


def test_few_matches_against_many_prior_ones_leave_weights_even() -> None:
    generator = np.random.default_rng(5)
    members = members_of(generator.normal(size=(3, 100, 3)))
    weights, temperature = fit_pool(members, outcomes_of(members[0], generator), 1e6)
    assert weights == pytest.approx(np.full(3, 1 / 3), abs=1e-3)
    assert temperature == pytest.approx(1, abs=1e-3)


rows = arrays(np.float32, (20, 4), elements=st.one_of(st.floats(-100, 100, width=32), st.just(np.nan)))


@given(rows)
def test_scaled_rows_are_whole_bounded_and_have_no_scale_of_their_own(table: np.ndarray) -> None:
    scaling = Scaling.of(table, 5.0)
    z = scaling.apply(table)
    assert np.isfinite(z).all()
    assert np.abs(z).max() <= 5.0
    unknown = np.isnan(table)
    as_median = np.broadcast_to(scaling.apply(scaling.median[None, :].astype(np.float32)), z.shape)
    assert z[unknown] == pytest.approx(as_median[unknown], abs=1e-3)


def test_training_rows_come_out_with_mean_zero_and_deviation_one() -> None:
    table = np.random.default_rng(6).normal([5, -3, 0], [10, 0.1, 1], size=(500, 3)).astype(np.float32)
    z = Scaling.of(table, 50.0).apply(table)
    assert z.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)
    assert z.std(axis=0) == pytest.approx(np.ones(3), abs=1e-9)


def test_columns_never_known_or_constant_come_out_as_zero() -> None:
    table = np.full((30, 2), np.nan, dtype=np.float32)
    table[:, 1] = 7
    assert not Scaling.of(table, 5.0).apply(table).any()


def test_scaling_comes_back_from_json_to_the_bit() -> None:
    table = np.random.default_rng(7).normal(size=(50, 3)).astype(np.float32)
    scaling = Scaling.of(table, 5.0)
    assert Scaling.from_dict(scaling.to_dict()).apply(table).tobytes() == scaling.apply(table).tobytes()
