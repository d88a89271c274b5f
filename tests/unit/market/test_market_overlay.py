"""Prices before the match as features: what they may depend on, and what a model that reads them does without."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from matchcast.adapters.database.contents import SqlContents
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.database.migrate import migrate
from matchcast.adapters.objects_folder import FolderStore
from matchcast.adapters.parquet_export import BOOKMAKERS, ParquetExport
from matchcast.adapters.snapshot_file import SnapshotFile, open_snapshot
from matchcast.adapters.snapshot_state import read_state
from matchcast.domain.forecast import Cause, Pairing
from matchcast.domain.match import Odds, OddsMoment
from matchcast.errors import BadInput, Unavailable
from matchcast.features.compiled import run_pass
from matchcast.features.contract import FeatureContract, choose, with_market
from matchcast.features.online import read_row
from matchcast.model.bundle import Bundle, load_bundle, pack_bundle
from matchcast.model.fit import FitParams, fit_forecaster
from matchcast.model.market import market_log_odds, power_probabilities
from matchcast.ports import ResolvedMatch
from matchcast.usecases.backtest import Retrain, backtest, table_of
from matchcast.usecases.batch import Batch
from matchcast.usecases.export import export
from matchcast.usecases.predict import forecast_for
from matchcast.usecases.replay import RecordedState, Replayer
from pipeline import split_data
from pipeline.batch_inference import forecast_tables, publish
from pipeline.feature_engineering import feature_tables
from pipeline.files import read_parquet, write_bytes, write_parquet
from pipeline.market import market_columns, opening_odds
from pipeline.match_table import feature_rows, floats, match_columns
from pipeline.params import FeaturesGate, read_params
from pipeline.paths import CONTRACT as CONTRACT_FILE
from pipeline.paths import FEATURES_FINISHED, FINISHED, HOLDOUT, TRAIN
from pipeline.preprocessing import sort_out
from pipeline.profiles import composed
from pipeline.training import training_of
from tests.pipeline import league
from tests.pipeline.league import AS_OF

PLAIN = choose(["elo", "goals", "history", "league"], ["home", "away"], [], [], [])
CONTRACT = with_market(PLAIN, ["Avg", "B365"])
MARKET = ["market_home", "market_draw", "market_away"]
OUTCOMES = ("home", "draw", "away")
NOW = AS_OF + timedelta(hours=9)


def rows() -> list[ResolvedMatch]:
    """The made-up leagues with opening prices: Bet365's for every other match, the average's for every third, else none."""
    draw = np.random.default_rng(5)
    return [priced(number, match, draw) for number, match in enumerate(league.rows())]


def priced(number: int, match: ResolvedMatch, draw: np.random.Generator) -> ResolvedMatch:
    close = next(iter(match.told.odds), Odds("Avg", OddsMoment.CLOSING, 2.2, 3.4, 3.6))
    home, level, away = (round(1.02 + (p - 1) * float(draw.uniform(0.9, 1.0)), 2) for p in close[2:5])
    odds = list(match.told.odds)
    if number % 2:
        odds.append(Odds("B365", OddsMoment.OPENING, home, level, away))
    if number % 3 == 0:
        odds.append(Odds("Avg", OddsMoment.OPENING, home + 0.03, level + 0.03, away + 0.03))
    return match._replace(told=match.told._replace(odds=tuple(odds)))


@dataclass(frozen=True)
class Pipeline:
    """What the stages make of the leagues with the market overlay, up to the published snapshot."""

    folder: Path
    finished: pa.Table
    future: pa.Table
    bundle: Bundle
    batch: Batch

    @property
    def objects(self) -> FolderStore:
        return FolderStore(self.folder / "objects")

    @property
    def ledger(self) -> SqlLedger:
        return SqlLedger(Database(f"sqlite:///{self.folder}/matchcast.db"))

    @property
    def snapshot_path(self) -> Path:
        (file,) = (self.folder / "objects" / "snapshots").glob("*.sqlite")
        return file

    @property
    def snapshot(self) -> SnapshotFile:
        return open_snapshot(self.snapshot_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    folder = tmp_path_factory.mktemp("market")
    url = f"sqlite:///{folder}/matchcast.db"
    migrate(url)
    SqlMatchStore(Database(url)).load(rows(), league.teams(), [], NOW)
    export(SqlContents(Database(url)), ParquetExport(folder / "export"), AS_OF)
    finished, future, _ = sort_out(pq.read_table(folder / "export" / "matches.parquet"), AS_OF)
    files = bundle_files(finished, future)
    objects = FolderStore(folder / "objects")
    bundle = load_bundle(files)
    for name, content in files.items():
        objects.put(f"models/{bundle.version}/{name}", content)
    batch = forecast_tables(finished, future, bundle, AS_OF, code_revision="c1", cause=Cause.NEW_MODEL)
    teams = pa.table({"team_id": ["spain:club-00"], "name": ["Club 00"], "country": ["spain"], "aliases": [["Zero"]]})
    publish(batch, teams, bundle, objects, NOW)
    SqlLedger(Database(url)).append(batch.forecasts, lambda: NOW)
    return Pipeline(folder, finished, future, bundle, batch)


def bundle_files(finished: pa.Table, future: pa.Table) -> dict[str, bytes]:
    table, _ = feature_tables(finished, future, CONTRACT, AS_OF)
    table = table.filter(pa.array(CONTRACT.readable(feature_rows(table, CONTRACT))))
    fitted = fit_forecaster(training_of(table, CONTRACT), quick_params())
    golden = feature_rows(table, CONTRACT)[:5]
    return pack_bundle(
        fitted.forecaster, bytes(fitted.booster.save_raw("ubj")), CONTRACT, {}, golden, fitted.predict(golden),
        run_id="r", trained_from="2019-08-10", trained_until="2025-02-07", data_version="d", code_revision="c1",
        params_hash="p", created_at=NOW.isoformat(),
    )  # fmt: skip


def quick_params() -> FitParams:
    """The profile for small leagues, with few boosting rounds."""
    model = read_params(Path(__file__).parents[3] / "params.yaml").model.model_dump()
    model["trees"].update(max_rounds=20, early_stopping_rounds=5, min_child_weight=5)
    return FitParams.of(model | {"threads": 1})


def changed(table: pa.Table, moment: OddsMoment, match_id: int | None = None) -> pa.Table:
    """The table with other prices of this moment, and prices where there were none; of one match, or of all."""
    chosen = np.full(len(table), True) if match_id is None else table["match_id"].to_numpy() == match_id
    for name in [n for n in table.column_names if n.startswith(f"odds_{moment.value}_")]:
        prices = floats(table[name])
        other = np.where(chosen, np.nan_to_num(prices, nan=1.7) * (1.5 + len(name) / 20), prices)
        table = table.set_column(table.column_names.index(name), name, pa.array(other, pa.float64(), from_pandas=True))
    return table


def cells(tables: tuple[pa.Table, pa.Table]) -> list[bytes]:
    return [feature_rows(table, CONTRACT).tobytes() for table in tables]


def test_no_closing_price_reaches_a_feature(made: Pipeline) -> None:
    """Change all of them, of finished matches and of those to come: every row stays as it is, to the bit."""
    closed = [f"odds_closing_{b}_{o}" for b in BOOKMAKERS for o in OUTCOMES]
    assert set(closed) <= set(made.finished.column_names)
    before = feature_tables(made.finished, made.future, CONTRACT, AS_OF)
    close, opening = OddsMoment.CLOSING, OddsMoment.OPENING
    after = feature_tables(changed(made.finished, close), changed(made.future, close), CONTRACT, AS_OF)
    assert cells(after) == cells(before)
    moved = feature_tables(changed(made.finished, opening), changed(made.future, opening), CONTRACT, AS_OF)
    assert cells(moved) != cells(before)


def test_prices_of_a_match_reach_its_own_market_columns_and_nothing_else(made: Pipeline) -> None:
    before, _ = feature_tables(made.finished, made.future, CONTRACT, AS_OF)
    finished = changed(made.finished, OddsMoment.OPENING, before["match_id"][100].as_py())
    after, _ = feature_tables(finished, made.future, CONTRACT, AS_OF)
    differs = feature_rows(after, CONTRACT).view(np.int32) != feature_rows(before, CONTRACT).view(np.int32)
    where = np.argwhere(differs)
    assert set(where[:, 0].tolist()) == {100}
    assert {CONTRACT.names[i] for i in where[:, 1]} == set(MARKET)


def test_the_contract_names_the_columns_and_whose_prices_they_hold() -> None:
    told = FeatureContract.from_json(CONTRACT.to_json())
    assert told == CONTRACT
    assert told.names[-3:] == tuple(MARKET)
    assert told.fold == PLAIN.features
    assert {f.family for f in told.features[-3:]} == {"market"}
    assert (told.market_from, PLAIN.market_from) == (("Avg", "B365"), ())
    assert told.program.tolist() == PLAIN.program.tolist()
    assert with_market(PLAIN, []) == PLAIN


@pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
def test_the_gate_on_features_knows_the_markets_bounds() -> None:
    from pipeline.suites import features as features_suite

    suite = features_suite.suite(CONTRACT.features, FeaturesGate(mostly=0.99, least_coverage=0.5), matches=1)
    bounds = {e.column: (e.min_value, e.max_value) for e in suite if getattr(e, "column", None) in MARKET}
    assert bounds == dict.fromkeys(MARKET, (-9.0, 9.0))


def test_the_market_columns_are_log_odds_of_the_preferred_bookmakers_opening_prices(made: Pipeline) -> None:
    table, _ = feature_tables(made.finished, made.future, CONTRACT, AS_OF)
    by_id = {row["match_id"]: row for row in made.finished.to_pylist()}
    read = set()
    for row in table.slice(0, 50).to_pylist():
        match = by_id[row["match_id"]]
        if not any(match[f"odds_opening_{b}_home"] for b in ("Avg", "B365")):
            assert np.isnan([row[name] for name in MARKET]).all()
            continue
        bookmaker = "Avg" if match["odds_opening_Avg_home"] is not None else "B365"
        read.add(bookmaker)
        odds = np.array([[match[f"odds_opening_{bookmaker}_{outcome}"] for outcome in OUTCOMES]])
        probs = power_probabilities(odds)[0]
        assert [row[name] for name in MARKET] == pytest.approx(np.log(probs / (1 - probs)), rel=1e-6)
    assert read == {"Avg", "B365"}


def test_matches_without_prices_are_neither_learnt_from_nor_forecast_but_the_fold_sees_them(
    made: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table of features has a row for each; the splits and the batch leave them out."""
    with_prices = [not np.isnan(odds).any() for odds in opening_odds(made.finished, ["Avg", "B365"])]
    assert 0.5 < np.mean(with_prices) < 0.8
    market, to_come = feature_tables(made.finished, made.future, CONTRACT, AS_OF)
    plain, _ = feature_tables(made.finished, made.future, PLAIN, AS_OF)
    assert feature_rows(market, PLAIN).tobytes() == feature_rows(plain, PLAIN).tobytes()
    assert CONTRACT.readable(feature_rows(market, CONTRACT)).tolist() == with_prices

    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(composed("test"))
    write_parquet(FINISHED, made.finished)
    write_parquet(FEATURES_FINISHED, market)
    write_bytes(CONTRACT_FILE, CONTRACT.to_json().encode())
    split_data.main()
    used = {i for part in (TRAIN, HOLDOUT) for i in read_parquet(part)["match_id"].to_pylist()}
    assert len(used) > 0
    assert used <= set(made.finished["match_id"].filter(pa.array(with_prices)).to_pylist())

    forecast = {f.fixture.match_id for f in made.batch.forecasts}
    readable = CONTRACT.readable(feature_rows(to_come, CONTRACT)).tolist()
    assert forecast == set(to_come["match_id"].filter(pa.array(readable)).to_pylist())
    assert 0 < len(forecast) < len(made.future)


def test_a_batch_without_a_match_to_come_is_published_empty(made: Pipeline, tmp_path: Path) -> None:
    none = made.future.slice(0, 0)
    batch = forecast_tables(made.finished, none, made.bundle, AS_OF, code_revision="c1", cause=Cause.NEW_RESULTS)
    assert batch.forecasts == ()
    objects = FolderStore(tmp_path)
    teams = pa.table({"team_id": ["spain:club-00"], "name": ["Club 00"], "country": ["spain"], "aliases": [["Zero"]]})
    pointer = publish(batch, teams, made.bundle, objects, NOW)
    assert objects.get(pointer.key)


def test_without_any_price_the_stage_says_what_to_do(made: Pipeline) -> None:
    never = with_market(PLAIN, ["PS"])
    with pytest.raises(BadInput, match=r"features.market_from: .*'PS'"):
        feature_tables(made.finished, made.future, never, AS_OF)


def test_the_snapshot_carries_the_prices_so_that_serving_reads_the_batchs_rows(made: Pipeline) -> None:
    _, to_come = feature_tables(made.finished, made.future, CONTRACT, AS_OF)
    batch_rows = feature_rows(to_come, CONTRACT)
    batch_rows = batch_rows[CONTRACT.readable(batch_rows)]
    for forecast, row in zip(made.batch.forecasts, batch_rows, strict=True):
        online = read_row(made.snapshot.pairing(forecast.fixture), forecast.fixture, CONTRACT)
        assert np.array(online, dtype=np.float32).tobytes() == row.tobytes()


def test_a_known_fixture_is_forecast_on_request_as_the_batch_did(made: Pipeline) -> None:
    forecast = next(f for f in made.batch.forecasts if f.fixture.kickoff_at > NOW)
    assert forecast.fixture.match_id is not None
    asked = forecast_for(
        forecast.fixture.match_id, bundle=made.bundle, snapshot=made.snapshot, code_revision="c1", now=NOW
    ).forecast
    assert asked.probabilities == forecast.probabilities


def test_a_pairing_without_prices_is_refused_with_the_ways_out(made: Pipeline) -> None:
    asked = Pairing("Zero", "Club 01", "spain:la-liga", NOW + timedelta(days=200, hours=1))
    with pytest.raises(Unavailable, match=r"reads bookmakers' prices, .* none of this match: .*GET /predict/ lists"):
        forecast_for(asked, bundle=made.bundle, snapshot=made.snapshot, code_revision="c1", now=NOW)


def replayer(made: Pipeline, objects: FolderStore, folder: Path) -> Replayer:
    def open_state(_: str, content: bytes) -> RecordedState:
        file = folder / "recorded.sqlite"
        file.write_bytes(content)
        snapshot = open_snapshot(file)
        return RecordedState(snapshot, read_state(file, snapshot))

    return Replayer(made.ledger, objects, open_state)


def test_forecasts_from_prices_replay_and_a_changed_price_is_noticed(made: Pipeline, tmp_path: Path) -> None:
    replay = replayer(made, made.objects, tmp_path)
    assert [replay.replay(row.forecast_id).difference for row in made.ledger.rows()] == [None] * len(
        made.batch.forecasts
    )
    altered = tmp_path / "altered.sqlite"
    altered.write_bytes(made.snapshot_path.read_bytes())
    with closing(sqlite3.connect(altered)) as connection, connection:
        connection.execute("UPDATE market SET home = home + 0.5")
    state = read_state(altered, open_snapshot(altered))
    assert state.hash != made.batch.state.hash
    assert state.teams.tobytes() == made.batch.state.teams.tobytes()


def test_other_prices_are_another_state_for_models_that_read_them_alone(made: Pipeline) -> None:
    raised = changed(made.future, OddsMoment.OPENING)

    def state_hash(future: pa.Table, contract: FeatureContract) -> str:
        matches = match_columns(made.finished, future, market_columns(made.finished, future, ["Avg", "B365"]))
        return run_pass(matches, contract, end=int(AS_OF.timestamp())).state.hash

    assert state_hash(raised, PLAIN) == state_hash(made.future, PLAIN)
    assert state_hash(raised, CONTRACT) != state_hash(made.future, CONTRACT) == made.batch.state.hash


def test_a_backtest_with_the_overlay_forecasts_matches_with_prices_only() -> None:
    told = [match.told for match in rows()]
    result = backtest(
        table_of(told, CONTRACT.market_from), CONTRACT, quick_params(), first_day=date(2019, 8, 1),
        start=date(2024, 8, 1), end=date(2025, 2, 7), retrain=Retrain.NEVER,
    )  # fmt: skip
    assert not np.isnan(result.probs).any()
    assert not np.isnan(result.matches.market).any()
    until = datetime(2025, 2, 7, tzinfo=UTC)
    assert 0 < len(result.probs) < sum(datetime(2024, 8, 1, tzinfo=UTC) <= t.kickoff_at <= until for t in told)


def test_log_odds_of_no_prices_are_unknown() -> None:
    assert np.isnan(market_log_odds(np.array([[2.0, np.nan, 3.0]]))).all()
    assert market_log_odds(np.array([[2.0, 4.0, 4.0]]))[0] == pytest.approx([0.0, -np.log(3), -np.log(3)], abs=1e-9)


def test_the_overlay_is_a_profile_and_no_other_profile_reads_prices(tmp_path: Path) -> None:
    for profile, bookmakers in (("market", ("Avg", "BbAv", "B365")), ("prod", ()), ("demo", ()), ("test", ())):
        file = tmp_path / "params.yaml"
        file.write_text(composed(profile))
        contract = read_params(file).features.contract()
        assert contract.market_from == bookmakers
        assert [f.name for f in contract.features if f.family == "market"] == (MARKET if bookmakers else [])
