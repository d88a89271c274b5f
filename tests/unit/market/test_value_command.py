"""`matchcast value`, as a user types it."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands.main import app
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.database.migrate import migrate
from matchcast.domain.forecast import Cause, Forecast, Probabilities
from matchcast.domain.match import Fixture
from matchcast.errors import BadInput
from matchcast.model.market import DeVig
from matchcast.usecases.value import Prices, valuation
from tests.entrypoints.house import AS_OF, ENGLAND, NOW

FIXTURE = Fixture(ENGLAND, "england:arsenal", "england:chelsea", NOW + timedelta(days=3), 2024, 77)


@pytest.fixture(autouse=True)
def _a_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two forecasts of match 77; the later one gives 60 % to home."""
    url = f"sqlite:///{tmp_path}/matchcast.db"
    monkeypatch.setenv("MATCHCAST_DATABASE_URL", url)
    monkeypatch.setenv("COLUMNS", "200")
    migrate(url)
    for probs in (Probabilities(0.2, 0.3, 0.5), Probabilities(0.6, 0.25, 0.15)):
        forecast = Forecast(FIXTURE, AS_OF, probs, "v1", "snapshot", "c1", Cause.NEW_RESULTS)
        SqlLedger(Database(url)).append([forecast], lambda: NOW)


def value(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["value", *words])
    assert result.exit_code == code, result.output
    return result.output


def line(said: str, outcome: str) -> list[str]:
    return re.split(r"\s*│\s*", next(row for row in said.splitlines() if f"│ {outcome} " in row).strip("│ "))


@pytest.mark.parametrize("method", ["power", "shin"])
def test_the_last_forecast_stands_beside_the_prices(method: str) -> None:
    said = value("--match-id", "77", "--odds", "2.0", "4.0", "3.0", "--method", method)
    assert "england:arsenal against england:chelsea, 2025-03-04: forecast 2" in said
    assert line(said, "home")[:5] == ["home", "0.600", "1.67", "2.00", "+20.0%"]
    assert line(said, "draw")[:5] == ["draw", "0.250", "4.00", "4.00", "+0.0%"]
    assert line(said, "away")[:5] == ["away", "0.150", "6.67", "3.00", "-55.0%"]
    assert f"the book keeps 8.3%, taken off by the {method} method" in said
    market = [float(line(said, outcome)[5]) for outcome in ("home", "draw", "away")]
    assert sum(market) == pytest.approx(1, abs=0.002)
    assert all(prob < 1 / price for prob, price in zip(market, (2.0, 4.0, 3.0), strict=True))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--match-id", "77", "--odds", "2.0", "1.0", "3.0"), "the draw price 1 of match 1"),
        (("--match-id", "77", "--odds", "2.0", "nan", "3.0"), "a price is missing"),
        (("--match-id", "78", "--odds", "2.0", "4.0", "3.0"), "no forecast of match 78"),
    ],
)
def test_what_cannot_be_valued_is_refused(words: tuple[str, ...], told: str) -> None:
    assert told in value(*words, code=1)


@pytest.mark.parametrize("match_id", ["9" * 26, "-1", str(2**63)])
def test_a_match_id_no_database_can_hold_is_refused(match_id: str) -> None:
    assert "Invalid value for '--match-id'" in value("--match-id", match_id, "--odds", "2.0", "4.0", "3.0", code=2)


def test_a_missing_price_names_its_field() -> None:
    with pytest.raises(BadInput, match=r"^odds: ") as refused:
        valuation(Probabilities(0.5, 0.3, 0.2), Prices(2.0, float("nan"), 3.0), DeVig.SHIN)
    assert refused.value.field == "odds"
