"""Training, the plain-data twin of the trained model, and the bundle's proofs."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchcast.errors import BundleBroken
from matchcast.model.bundle import load_bundle, pack_bundle
from matchcast.model.fit import Fitted, booster_margins, fit_forecaster
from matchcast.model.forecaster import Forecaster, log_pool
from matchcast.model.interval import Interval
from matchcast.model.metrics import log_loss_each
from matchcast.model.trees import Trees
from tests.unit.model.trained import CONTRACT, PARAMS, trained, training_table

INTERVAL = Interval(0.8, (1.5, 1.2, 1.4), (0.1, 0.05, 0.1), "closing odds", 900, 0.79, 300)


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return trained()


@pytest.fixture(scope="module")
def files(fitted: Fitted) -> dict[str, bytes]:
    return packed(fitted, fitted.forecaster)


def packed(fitted: Fitted, served: Forecaster) -> dict[str, bytes]:
    """The bundle of a forecaster, with what training made of the golden rows."""
    rows = training_table().rows[:8]
    return pack_bundle(
        served, bytes(fitted.booster.save_raw("ubj")), CONTRACT, {"log_loss": 0.9}, rows, fitted.predict(rows),
        run_id="run", trained_from="2020-01-01", trained_until="2024-01-01", data_version="d", code_revision="c",
        params_hash="p", created_at="2024-01-02T00:00:00Z", interval=INTERVAL,
    )  # fmt: skip


def test_the_plain_trees_equal_xgboost_to_the_bit(fitted: Fitted) -> None:
    """Margins of our flat arrays are XGBoost's own, unknown values included."""
    rows = training_table().rows
    ours, theirs = fitted.forecaster.trees.margins(rows), booster_margins(fitted.booster, rows)
    assert ours.tobytes() == theirs.tobytes()
    assert np.isnan(rows).any()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 1499), min_size=1, max_size=40))
def test_a_forecast_depends_on_its_own_row_alone(fitted: Fitted, chosen: list[int]) -> None:
    """One row at a time or many together: the same probabilities, to the bit, and they sum to 1."""
    rows = training_table().rows[chosen]
    together = fitted.forecaster.predict(rows)
    alone = np.vstack([fitted.forecaster.predict(row[None, :]) for row in rows])
    assert together.tobytes() == alone.tobytes()
    assert together.sum(axis=1) == pytest.approx(np.ones(len(rows)))


def test_training_learns_what_there_is_to_learn(fitted: Fitted) -> None:
    """Every member beats base rates on matches kept from it, the pool none the less; the same again from the same seed."""
    training = training_table()
    late = training.outcomes[fitted.validation]
    base = log_loss_each(np.tile(np.bincount(late) / len(late), (len(late), 1)), late).mean()
    alone = [log_loss_each(member, late).mean() for member in fitted.validation_members]
    pooled = log_pool(fitted.validation_members, fitted.forecaster.weights, fitted.forecaster.temperature)
    assert max(alone) < base - 0.05
    assert log_loss_each(pooled, late).mean() < np.mean(alone)
    assert fit_forecaster(training, PARAMS).predict(training.rows).tobytes() == fitted.predict(training.rows).tobytes()


def test_too_few_matches_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        fit_forecaster(training_table(300), PARAMS)


def test_a_bundle_gives_back_what_was_trained(fitted: Fitted, files: dict[str, bytes]) -> None:
    """To the bit, XGBoost's own margins included, on the processor that trained; others may differ by 1e-12, as their
    exponential function does."""
    rows = training_table().rows
    bundle = load_bundle(files)
    assert bundle.predict(rows[:50]).tobytes() == fitted.forecaster.predict(rows[:50]).tobytes()
    assert bundle.predict(rows[:50]).tobytes() == fitted.predict(rows[:50]).tobytes()
    assert (bundle.run_id, bundle.contract, bundle.interval) == ("run", CONTRACT, INTERVAL)


def test_equal_inputs_give_equal_bundles(fitted: Fitted, files: dict[str, bytes]) -> None:
    assert packed(fitted, fitted.forecaster) == files


@pytest.mark.parametrize("name", ["trees.npz", "linear.json", "goals.json", "calibration.json", "interval.json",
                                  "features.json", "metrics.json",
                                  "golden.json", "manifest.json", "model.ubj"])  # fmt: skip
def test_one_changed_byte_is_found(files: dict[str, bytes], name: str) -> None:
    """Whatever byte of whatever file: the bundle is refused and the message says what to do."""
    content = bytearray(files[name])
    for at in (len(content) // 3, len(content) - 3):
        broken = bytearray(content)
        broken[at] ^= 1
        with pytest.raises(BundleBroken, match="publish the bundle again"):
            load_bundle({**files, name: bytes(broken)})


@pytest.mark.parametrize("name", ["trees.npz", "golden.json", "manifest.json"])
def test_a_missing_file_is_named(files: dict[str, bytes], name: str) -> None:
    with pytest.raises(BundleBroken, match=name.replace(".", r"\.")):
        load_bundle({k: v for k, v in files.items() if k != name})


def test_plain_trees_that_are_not_xgboosts_are_refused(fitted: Fitted) -> None:
    """Every hash is right and one leaf is off: the golden rows are XGBoost's word, not the plain trees' own."""
    trees = fitted.forecaster.trees
    leaves = np.flatnonzero(trees.left == np.arange(len(trees.left)))
    value = trees.value.copy()
    value[leaves[trees.cover[leaves].argmax()]] += np.float32(1e-3)
    altered = replace(fitted.forecaster, trees=replace(trees, value=value))
    with pytest.raises(BundleBroken, match="golden rows"):
        load_bundle(packed(fitted, altered))


def test_trees_hold_nothing_executable(fitted: Fitted) -> None:
    """The arrays are read with pickles refused, and features.json is plain JSON."""
    raw = fitted.forecaster.trees.to_bytes()
    assert Trees.from_bytes(raw).to_bytes() == raw
    assert json.loads(CONTRACT.to_json())["code_hash"] == CONTRACT.code_hash
