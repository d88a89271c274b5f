"""What each family of features did to a forecast."""

from dataclasses import replace

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from matchcast.model.explain import Explainer, centred
from matchcast.model.fit import TreeParams, boost, trees_of
from matchcast.model.goals import expected_goals, outcome_probabilities
from matchcast.model.shapley import LeafPaths, coalition_values, tree_values
from tests.unit.model.trained import CONTRACT, PARAMS, trained, training_table

FAMILIES = [feature.family for feature in CONTRACT.features]
rows = arrays(np.float32, 6, elements=st.one_of(st.floats(-10, 10, width=32), st.just(np.nan)))


def explainer() -> Explainer:
    return Explainer(trained().forecaster, FAMILIES)


@pytest.mark.parametrize(("depth", "weight"), [(1, 5.0), (2, 5.0), (3, 5.0), (6, 0.5)])
def test_tree_values_are_those_of_xgboost(depth: int, weight: float) -> None:
    """Feature by feature, unknown values and features met twice on a way included, within its own float32 rounding."""
    training = training_table()
    params = replace(PARAMS, trees=TreeParams(depth, 0.1, 0.8, 0.8, weight, 1.0, 40, 10))
    booster = boost(training, params, 25, None).booster
    trees = trees_of(booster)
    theirs = booster.predict(
        xgb.DMatrix(training.rows[:60], feature_names=list(training.names)), pred_contribs=True, strict_shape=True
    )
    paths = LeafPaths.of(trees)
    ours = np.stack([tree_values(trees, paths, row, np.arange(6), 6).T for row in training.rows[:60]])
    assert trees.depth == depth
    assert np.isnan(training.rows[:60]).any()
    assert ours == pytest.approx(theirs[:, :, :6], abs=2e-6)
    assert np.abs(ours).max() > 0.1


def test_trees_without_a_split_explain_nothing() -> None:
    """Where no split gains enough, every tree is one leaf and no feature has an effect."""
    params = replace(PARAMS, trees=replace(PARAMS.trees, min_child_weight=1e9))
    trees = trees_of(boost(training_table(), params, 3, None).booster)
    assert trees.depth == 0
    values = tree_values(trees, LeafPaths.of(trees), training_table().rows[0], np.arange(6), 6)
    assert values.tolist() == np.zeros((6, 3)).tolist()


def test_tree_values_add_up_to_the_leaves_that_a_row_comes_to() -> None:
    trees = trained().forecaster.trees
    paths = LeafPaths.of(trees)
    expected = np.bincount(paths.label, paths.value * paths.share.prod(axis=1))
    for row in training_table().rows[:40]:
        reached = np.bincount(paths.label, paths.value * paths.taken(trees, row).all(axis=1))
        assert tree_values(trees, paths, row, np.arange(6), 6).sum(axis=0) == pytest.approx(
            reached - expected, abs=1e-12
        )
        assert reached + trees.base == pytest.approx(trees.margins(row[None, :])[0], abs=1e-5)


def test_values_of_coalitions_are_shapleys() -> None:
    """By hand: one left glove and two right ones make one pair; a player beside them brings 2 wherever it is."""

    def gloves(member: np.ndarray) -> np.ndarray:
        return np.asarray((member[:, 0] & (member[:, 1] | member[:, 2]))[:, None] + 2.0 * member[:, 3:])

    assert coalition_values(gloves, 4)[:, 0] == pytest.approx([4 / 6, 1 / 6, 1 / 6, 2])


@settings(max_examples=60, deadline=None)
@given(rows)
def test_base_and_effects_add_up_to_the_forecast(row: np.ndarray) -> None:
    """Within 1e-9 in log-odds, whatever the row; every effect is centred, and the base is the same within rounding."""
    found = explainer().explain(row)
    forecast = trained().forecaster.predict(row[None, :])[0]
    assert found.base + found.effects.sum(axis=0) == pytest.approx(centred(np.log(forecast)), abs=1e-9)
    assert found.effects.sum(axis=1) == pytest.approx(np.zeros(len(found.families)), abs=1e-9)
    assert found.base == pytest.approx(reference(), abs=1e-5)


def reference() -> np.ndarray:
    """The forecast of the members that know nothing, pooled: trees by XGBoost's own bias, the others by intercepts."""
    forecaster = trained().forecaster
    some = xgb.DMatrix(training_table().rows[:1], feature_names=list(CONTRACT.names))
    bias = trained().booster.predict(some, pred_contribs=True, strict_shape=True)[0, :, -1].astype(np.float64)
    goals = forecaster.goals
    members = [
        bias,
        forecaster.linear.intercepts,
        np.log(outcome_probabilities(expected_goals(goals.intercepts[None, :]), goals.rho)[0]),
    ]
    powers = forecaster.weights / forecaster.temperature
    return np.asarray(powers @ centred(np.stack(members)))


def test_the_family_that_decides_comes_first() -> None:
    """The first column, of the Elo family, decides the invented matches; a high value speaks for the home side."""
    row = np.array([2, 0, 0, 0, 0, 0], dtype=np.float32)
    found = explainer().explain(row)
    assert found.families[0] == FAMILIES[0] == "elo"
    assert sorted(found.families) == sorted(set(FAMILIES))
    assert found.effects[0, 0] > 0.2
    assert found.effects[0, 2] < -0.2
    sizes = np.abs(found.effects).sum(axis=1)
    assert (np.diff(sizes) <= 0).all()


def test_features_of_one_family_are_told_as_one() -> None:
    row = training_table().rows[3]
    apart, together = explainer().explain(row), Explainer(trained().forecaster, ["all"] * 6).explain(row)
    assert together.families == ("all",)
    assert together.effects[0] == pytest.approx(apart.effects.sum(axis=0), abs=1e-9)


def test_a_family_that_no_member_reads_has_no_effect() -> None:
    whole = trained().forecaster
    blind = replace(
        whole,
        trees=replace(whole.trees, feature=np.zeros_like(whole.trees.feature)),
        linear=replace(whole.linear, coefficients=whole.linear.coefficients * [1, 1, 1, 1, 1, 0]),
        goals=replace(whole.goals, coefficients=whole.goals.coefficients * [1, 1, 1, 1, 1, 0]),
    )
    found = Explainer(blind, FAMILIES).explain(np.full(6, 1.5, dtype=np.float32))
    assert not found.effects[found.families.index(FAMILIES[5])].any()
