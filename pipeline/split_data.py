"""Stage: training part, hold-out, and walk-forward folds inside the training part; all by time."""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from matchcast.errors import BadInput
from matchcast.features.columns import DAY_SECONDS
from matchcast.features.contract import FeatureContract
from pipeline.files import read_parquet, write_json, write_parquet
from pipeline.match_table import ODDS_COLUMNS, feature_rows, odds_of
from pipeline.params import Evaluation, Split, read_params
from pipeline.paths import CONTRACT, FEATURES_FINISHED, FINISHED, FOLDS, HOLDOUT, HOLDOUT_ODDS, TRAIN, TRAIN_ODDS
from pipeline.stage import run_stage, say


@dataclass(frozen=True, slots=True)
class Fold:
    """Train on what is known as `validate_from` begins, validate on days from it and before `validate_until`."""

    train_from: date
    validate_from: date
    validate_until: date
    train_matches: int
    validate_matches: int


@dataclass(frozen=True)
class Parts:
    """First days of the parts, which rows are in them, and the folds.

    Attributes:
        train, holdout: bool a row; rows before `train_from` are in neither.
    """

    train_from: date
    holdout_from: date
    train: NDArray[np.bool_]
    holdout: NDArray[np.bool_]
    folds: tuple[Fold, ...]


def main() -> None:
    """Read data/features and the odds, write data/splits."""
    params = read_params()
    contract = FeatureContract.from_json(CONTRACT.read_text())
    rows = read_parquet(FEATURES_FINISHED)
    rows = rows.filter(pa.array(contract.readable(feature_rows(rows, contract))))
    parts = split(rows["day"].to_numpy(), rows["known_at"].to_numpy(), params.split)
    odds = odds_table(rows, read_parquet(FINISHED), params.evaluation)
    for chosen, matches_file, odds_file in ((parts.train, TRAIN, TRAIN_ODDS), (parts.holdout, HOLDOUT, HOLDOUT_ODDS)):
        write_parquet(matches_file, rows.filter(pa.array(chosen)))
        write_parquet(odds_file, odds.filter(pa.array(chosen)))
    write_json(
        FOLDS,
        {
            "train_from": parts.train_from.isoformat(),
            "holdout_from": parts.holdout_from.isoformat(),
            "train_matches": int(parts.train.sum()),
            "holdout_matches": int(parts.holdout.sum()),
            "folds": [
                {name: v.isoformat() if isinstance(v, date) else v for name, v in asdict(fold).items()}
                for fold in parts.folds
            ],
        },
    )
    say(
        f"training {parts.train.sum()} matches from {parts.train_from}, "
        f"hold-out {parts.holdout.sum()} from {parts.holdout_from}, {len(parts.folds)} folds"
    )


def split(day: NDArray[np.int64], known_at: NDArray[np.int64], params: Split) -> Parts:
    """Cut by day; a match whose result is not known as a fold begins is in neither of its sides.

    Args:
        day, known_at: seconds since 1970 of each match's day, and when its result counts as known.
    Raises:
        BadInput: the training part or the hold-out would be empty.
    """
    if len(day) == 0:
        raise BadInput("split: there are no finished matches; run `matchcast ingest`, then `matchcast export`", "split")
    train_from = max(params.first_day, _date(int(day.min())) + timedelta(days=params.warm_up_days))
    holdout_from = params.holdout_from or _date(int(day.max())) - timedelta(days=params.holdout_days - 1)
    train = (day >= _seconds(train_from)) & (day < _seconds(holdout_from))
    holdout = day >= _seconds(max(train_from, holdout_from))
    if not train.any() or not holdout.any():
        raise BadInput(
            f"split: {int(train.sum())} matches to train on ({train_from} to {holdout_from}), {int(holdout.sum())} in "
            f"the hold-out; matches run from {_date(int(day.min()))} to {_date(int(day.max()))}: correct first_day, "
            "warm_up_days, holdout_from or holdout_days in pipeline/conf (or "
            "`dvc exp run -S split.holdout_days=…`), or load more matches",
            "split",
        )
    folds = (_fold(day, known_at, train_from, holdout_from, years) for years in range(params.folds, 0, -1))
    return Parts(
        train_from, holdout_from, train, holdout, tuple(f for f in folds if f.train_matches and f.validate_matches)
    )


def odds_table(rows: pa.Table, finished: pa.Table, params: Evaluation) -> pa.Table:
    """The benchmark's prices in the rows' order; columns match_id and ODDS_COLUMNS, NaN where there are none."""
    prices = odds_of(finished, params.bookmaker, params.moment)
    ids = finished["match_id"].to_numpy()
    order = np.argsort(ids)
    of_rows = prices[order[np.searchsorted(ids[order], rows["match_id"].to_numpy())]]
    table = rows.select(["match_id"])
    for i, name in enumerate(ODDS_COLUMNS):
        table = table.append_column(name, pa.array(of_rows[:, i]))
    return table


def _fold(
    day: NDArray[np.int64], known_at: NDArray[np.int64], train_from: date, holdout_from: date, years_before: int
) -> Fold:
    start, end = _years_before(holdout_from, years_before), _years_before(holdout_from, years_before - 1)
    validating = (day >= _seconds(max(start, train_from))) & (day < _seconds(end))
    training = (day >= _seconds(train_from)) & (known_at <= _seconds(start))
    return Fold(train_from, start, end, int(training.sum()), int(validating.sum()))


def _years_before(day: date, years: int) -> date:
    """The same day some years before; 29 February becomes the 28th."""
    return day.replace(year=day.year - years, day=28 if (day.month, day.day) == (2, 29) and years else day.day)


def _date(seconds: int) -> date:
    return date(1970, 1, 1) + timedelta(days=seconds // DAY_SECONDS)


def _seconds(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())


if __name__ == "__main__":
    run_stage(main)
