"""Every peer's forecasts of the same matches, and the file that keeps them."""

import csv
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matchcast.errors import BadInput
from matchcast.features.columns import MatchColumns
from matchcast.model.metrics import base_rates
from matchcast.usecases.backtest import MatchTable, Retrain, retraining_days
from tests.measure.peers.dixon_coles import dixon_coles
from tests.measure.peers.ratings import rate

Probs = NDArray[np.float64]
SIDES: Final = ("home", "draw", "away")
DIXON_COLES: Final = "penaltyblog Dixon-Coles"
TWO_DIVISIONS: Final = "penaltyblog Dixon-Coles, two divisions"
KEY: Final = ("date", "tournament", "home_team", "away_team")


class Window(NamedTuple):
    """What to forecast: days, both included, and tournaments; from which day on results are learned from."""

    start: date
    end: date
    tournaments: Sequence[str]
    first_day: date

    def wanted(self, matches: MatchColumns) -> NDArray[np.bool_]:
        """The finished matches in it, shape (n,)."""
        day = matches.day
        return self.asked(matches) & matches.finished & (day >= _midnight(self.start)) & (day <= _midnight(self.end))

    def asked(self, matches: MatchColumns) -> NDArray[np.bool_]:
        """The matches of its tournaments on any day, shape (n,)."""
        chosen: NDArray[np.bool_] = np.isin(np.asarray(matches.tournaments)[matches.tournament], self.tournaments)
        return chosen

    def years(self) -> Iterator[tuple[int, int]]:
        """Begin and end (excluded) of each year that has a model of its own, seconds since 1970."""
        days = retraining_days(self.start, self.end, Retrain.YEARLY)
        for begin, stop in zip(days, [*days[1:], self.end + timedelta(days=1)], strict=True):
            yield _midnight(begin), _midnight(stop)


def peer_forecasts(
    matches: MatchColumns, window: Window, progress: Callable[[str, int, int], None] = lambda *_: None
) -> dict[str, Probs]:
    """Forecasts by name, shape (n, 3) each; NaN where not wanted or where the peer cannot say.

    Args:
        progress: told which model, how many of its fits are done, and of how many; all else takes little time.
    Raises:
        BadInput: nothing to learn from before the window.
    """
    wanted = window.wanted(matches)
    ratings = rate(matches)
    usable = ratings.known & wanted
    return {
        DIXON_COLES: dixon_coles(matches, wanted, progress=partial(progress, DIXON_COLES)),
        TWO_DIVISIONS: dixon_coles(matches, wanted, with_below=True, progress=partial(progress, TWO_DIVISIONS)),
        "penaltyblog pi, logistic": linked(matches, window, ratings.pi_difference, ratings.known),
        "penaltyblog Elo, logistic": linked(matches, window, ratings.elo_difference, ratings.known),
        "penaltyblog Elo, its own": np.where(usable[:, None], ratings.elo_probs, np.nan),
        "base rates": base_rate_forecasts(matches, window),
    }


def linked(matches: MatchColumns, window: Window, difference: NDArray[np.float64], known: NDArray[np.bool_]) -> Probs:
    """A multinomial logistic regression on one rating difference, fitted yearly on earlier matches of the tournaments.

    Args:
        difference: shape (n,), as it stood before each match.
        known: shape (n,), whether it means anything.
    """
    from sklearn.linear_model import LogisticRegression

    probs = np.full((len(matches), 3), np.nan)
    for learn, here in _years(matches, window, known):
        model = LogisticRegression().fit(difference[learn, None], matches.outcome[learn])
        if here.any():
            probs[here] = model.predict_proba(difference[here, None])
    return probs


def base_rate_forecasts(matches: MatchColumns, window: Window) -> Probs:
    """How often the tournaments' earlier matches ended so, counted yearly."""
    probs = np.full((len(matches), 3), np.nan)
    for learn, here in _years(matches, window, np.ones(len(matches), dtype=np.bool_)):
        probs[here] = base_rates(matches.outcome[learn])
    return probs


def _years(
    matches: MatchColumns, window: Window, known: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """For each year of the window: what may be learned from, what is to be forecast."""
    asked, wanted, day = window.asked(matches), window.wanted(matches), matches.day
    past = asked & matches.finished & known & (day >= _midnight(window.first_day))
    for begin, stop in window.years():
        learn = past & (matches.known_at <= begin)
        if len(np.unique(matches.outcome[learn])) < 3:
            raise BadInput("too few results before --from: give earlier --results or a later --from", field="from")
        yield learn, wanted & known & (day >= begin) & (day < stop)


def write_forecasts(path: Path, table: MatchTable, chosen: NDArray[np.bool_], forecasts: Mapping[str, Probs]) -> None:
    """One line a match in time order, three columns a forecaster, empty where it has none; whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    order = np.flatnonzero(chosen)
    order = order[np.argsort(table.columns.kickoff[order], kind="stable")]
    try:
        with draft.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*KEY, *(f"{name}: {side}" for name in forecasts for side in SIDES)])
            for i in order.tolist():
                row = [p for probs in forecasts.values() for p in probs[i].tolist()]
                writer.writerow([*_key(table, i), *("" if np.isnan(p) else f"{p:.12f}" for p in row)])
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_forecasts(path: Path, option: str, table: MatchTable, chosen: NDArray[np.bool_]) -> dict[str, Probs]:
    """Read what `write_forecasts` or `matchcast backtest --output` wrote, shape (n, 3) each, NaN where there is none.

    Raises:
        BadInput: no such file, not such a file, or a chosen match is not in it; the message names `option`.
    """
    try:
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            names = _names(reader.fieldnames or ())
            found = {tuple(line[name] for name in KEY): line for line in reader} if names else {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{option} {path}: cannot be read ({error}); name a file of forecasts", option) from error
    if not names:
        raise BadInput(f"{option} {path}: no columns of forecasts; `matchcast backtest --output` writes some", option)
    rows = {i: found.get(_key(table, i)) for i in np.flatnonzero(chosen).tolist()}
    absent = [_key(table, i) for i, line in rows.items() if line is None]
    if absent:
        raise BadInput(
            f"{option} {path}: {len(absent):,} of {len(rows):,} matches are not in it, first {', '.join(absent[0])}; "
            "make it with the same --results, --from, --to and --tournament",
            option,
        )
    forecasts = {name: np.full((len(table.columns), 3), np.nan) for name in names}
    for i, line in rows.items():
        assert line is not None
        for name, columns in names.items():
            forecasts[name][i] = [float(line[column] or "nan") for column in columns]
    return forecasts


def _names(header: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The columns of each forecaster."""
    if not set(KEY) <= set(header):
        return {}
    if {f"{side}_prob" for side in SIDES} <= set(header):
        members = [column.removesuffix("_home_prob") for column in header if column.endswith("_home_prob")]
        of_members = {f"ours, {member} alone": tuple(f"{member}_{side}_prob" for side in SIDES) for member in members}
        return {"ours": tuple(f"{side}_prob" for side in SIDES), **of_members}
    names = [column.removesuffix(": home") for column in header if column.endswith(": home")]
    return {name: tuple(f"{name}: {side}" for side in SIDES) for name in names}


def _key(table: MatchTable, i: int) -> tuple[str, ...]:
    day = datetime.fromtimestamp(int(table.columns.kickoff[i]), UTC).date()
    return (day.isoformat(), table.columns.tournaments[table.columns.tournament[i]], *table.names[i])


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
