"""Renewing all forecasts from either database: as the batch makes them, once an event, one at a time."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from matchcast.adapters.clock import Timer
from matchcast.adapters.database.contents import SqlContents
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.history import SqlHistory
from matchcast.adapters.database.inbox import SqlInbox
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.database.migrate import migrate
from matchcast.adapters.database.turns import SqlTurns
from matchcast.adapters.objects_folder import FolderStore
from matchcast.adapters.parquet_export import ParquetExport
from matchcast.adapters.snapshot_file import SnapshotFile, open_snapshot
from matchcast.adapters.snapshot_state import read_state
from matchcast.adapters.snapshot_writer import SnapshotWriter
from matchcast.domain.event import Event
from matchcast.domain.forecast import Cause
from matchcast.domain.match import MatchStats, MatchStatus, Odds, OddsMoment
from matchcast.errors import BadInput, TimedOut, Unavailable
from matchcast.events import ForecastsUpdated, IngestCounts, MatchesIngested, ModelPromoted, first_event, payload_of
from matchcast.features.contract import kernel_hash
from matchcast.features.history import History
from matchcast.model.bundle import load_bundle
from matchcast.ports import AliasStatus, ResolvedMatch, TeamAlias
from matchcast.usecases.batch import snapshot_of
from matchcast.usecases.champion import CHAMPION_KEY, load_champion, set_champion
from matchcast.usecases.export import export
from matchcast.usecases.predict import forecast_for
from matchcast.usecases.publish import SnapshotPointer, served_snapshot
from matchcast.usecases.renew import Renewer
from matchcast.usecases.replay import RecordedState, Replayed, Replayer
from pipeline.batch_inference import forecast_tables
from pipeline.preprocessing import sort_out
from tests.entrypoints import house
from tests.pipeline import league
from tests.unit.market import test_market_overlay as overlay

NOW = datetime(2025, 2, 8, 16, 30, 0, 123456, tzinfo=UTC)
AS_OF = NOW.replace(microsecond=0)
SOON = timedelta(days=7)
LONG = 60.0


def rows() -> list[ResolvedMatch]:
    """The made-up leagues with prices, and matches about which something is out of the ordinary at AS_OF."""
    found = overlay.rows()
    today = [i for i, r in enumerate(found) if r.told.kickoff_at.date() == AS_OF.date()]
    later = [i for i, r in enumerate(found) if r.told.kickoff_at.date() == (AS_OF + SOON).date()]
    goals = {"home_goals": 2, "away_goals": 1, "stats": MatchStats(9, 8, 3, 2, 4, 4)}
    over = {"status": MatchStatus.FINISHED, **goals}
    midnight = AS_OF.replace(hour=0, minute=0)
    before, after = AS_OF - timedelta(hours=1), AS_OF + timedelta(hours=1)
    taken = (
        Odds("Avg", OddsMoment.OPENING, 2.0, 3.5, 3.9, after),
        Odds("B365", OddsMoment.OPENING, 2.1, 3.4, 3.8, before),
    )
    changes: dict[int, dict[str, Any]] = {
        today[0]: over,  # told at once, but not known yet
        today[1]: {"status": MatchStatus.IN_PLAY},
        today[2]: {"kickoff_at": midnight, "kickoff_known": False},
        today[3]: {"kickoff_at": AS_OF + timedelta(minutes=30)},
        today[4]: {"status": MatchStatus.CANCELLED},
        later[0]: {**over, "odds": ()},  # as a store that knows the future of a clock set back
        later[1]: {**over, "odds": taken},
        later[2]: {"odds": taken},
        later[3]: {"status": MatchStatus.POSTPONED},
        later[4]: {"kickoff_at": AS_OF + SOON, "kickoff_known": True},
    }
    return [r._replace(told=r.told._replace(**changes.get(i, {}))) for i, r in enumerate(found)]


ALIASES = [
    TeamAlias("made-up", "spain", "Zero", "spain:club-00", AliasStatus.CONFIRMED, (), NOW),
    TeamAlias("*", "spain", "Club 00", "spain:club-00", AliasStatus.CONFIRMED, (), NOW),
    TeamAlias("made-up", "spain", "Nobody", None, AliasStatus.REVIEW, ("spain:club-01",), None),
]


@dataclass
class Place:
    """A database with the leagues, and an object store; `told` holds what was served when instances were told to look."""

    database: Database
    folder: Path
    now: datetime = NOW
    told: list[SnapshotPointer] = field(default_factory=list)

    @property
    def objects(self) -> FolderStore:
        return FolderStore(self.folder / "objects")

    @property
    def ledger(self) -> SqlLedger:
        return SqlLedger(self.database)

    @property
    def served(self) -> SnapshotPointer:
        pointer = served_snapshot(self.objects)
        assert pointer is not None
        return pointer

    @property
    def snapshot(self) -> SnapshotFile:
        return open_snapshot(self.folder / "objects" / self.served.key, kernel_hash())

    def renewer(self, **changes: object) -> Renewer:
        made = Renewer(
            service="predict-async",
            objects=self.objects,
            history=SqlHistory(self.database).history,
            ledger=self.ledger,
            inbox=SqlInbox(self.database),
            turns=SqlTurns(self.database),
            write=SnapshotWriter(self.folder / "cache"),
            code_revision="c1",
            now=lambda: self.now,
            tell=lambda: self.told.append(self.served),
        )
        return replace(made, **changes)  # type: ignore[arg-type]

    def renew(self, event: Event, **changes: object) -> ForecastsUpdated:
        reply = self.renewer(**changes).renew(event, Timer(LONG))
        assert reply is not None
        return payload_of(reply, ForecastsUpdated)

    def load(self, *matches: ResolvedMatch) -> None:
        assert not SqlMatchStore(self.database).load(matches, league.teams(), ALIASES, self.now).refused

    def promote(self, files: dict[str, bytes]) -> str:
        return set_champion(self.objects, files, NOW.isoformat(), NOW.isoformat()).version


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Place:
    made = Place(database, tmp_path)
    made.load(*rows())
    made.promote(house.bundle_files(1))
    return made


@pytest.fixture(scope="module")
def market_model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A bundle that reads prices."""
    folder = tmp_path_factory.mktemp("market-model")
    database = Database(f"sqlite:///{folder}/matchcast.db")
    migrate(str(database.url))
    SqlMatchStore(database).load(rows(), league.teams(), [], NOW)
    export(SqlContents(database), ParquetExport(folder / "export"), league.AS_OF)
    finished, future, _ = sort_out(pq.read_table(folder / "export" / "matches.parquet"), league.AS_OF)
    database.close()
    return overlay.bundle_files(finished, future)


def ingested(number: int = 1) -> Event:
    counts = IngestCounts(inserted=1, updated=0, unchanged=0, rejected=0)
    payload = MatchesIngested(task_id="t", source="made-up", counts=counts, finished=(), upcoming=())
    return first_event(payload, id=f"ingested-{number}", service="scrape", now=NOW)


def promoted(version: str = "v", number: int = 1) -> Event:
    payload = ModelPromoted(version=version, run_id="r", promoted_at=NOW, reason="better")
    return first_event(payload, id=f"promoted-{number}", service="reload", now=NOW)


def result_of(place: Place) -> ResolvedMatch:
    """A match of the afternoon is over."""
    first = min((r for r in rows() if r.told.status is MatchStatus.UPCOMING), key=lambda r: r.told.kickoff_at)
    return first._replace(told=first.told._replace(status=MatchStatus.FINISHED, home_goals=4, away_goals=0))


@pytest.mark.parametrize("reads_prices", [False, True])
def test_a_renewal_is_the_batch_of_an_export_of_the_same_instant_to_the_bit(
    place: Place, market_model: dict[str, bytes], reads_prices: bool
) -> None:
    """Forecasts, ledger and snapshot file, over results not known yet, prices of all kinds and days without a time."""
    if reads_prices:
        place.promote(market_model)
    folder = place.folder / "export"
    export(SqlContents(place.database), ParquetExport(folder), AS_OF)
    finished, future, counts = sort_out(pq.read_table(folder / "matches.parquet"), AS_OF)
    assert min(counts["upcoming_but_overdue"], counts["postponed"], counts["cancelled"]) > 0
    assert set(future["kickoff_known"].to_pylist()) == {True, False}
    bundle = load_champion(place.objects).bundle
    batch = forecast_tables(finished, future, bundle, AS_OF, code_revision="c1", cause=Cause.NEW_MODEL)
    assert 20 < len(batch.forecasts) <= len(future)
    assert (len(batch.forecasts) < len(future)) == reads_prices
    teams = pq.read_table(folder / "teams.parquet").to_pylist()
    content = snapshot_of(
        batch,
        SqlMatchStore(place.database).teams(),
        {team["team_id"]: team["aliases"] for team in teams},
        bundle.version,
        SnapshotWriter(place.folder / "batch"),
    )

    told = place.renew(ingested())

    assert (told.count, told.recorded) == (len(batch.forecasts), len(batch.forecasts))
    assert (told.snapshot_hash, told.model_version) == (batch.state.hash, bundle.version)
    assert [row.forecast for row in place.ledger.rows()] == list(batch.forecasts)
    assert place.objects.get(told.key) == content
    assert (place.served.key, place.served.as_of) == (told.key, AS_OF.isoformat())
    assert place.snapshot.team_id("zero", "spain:la-liga") == "spain:club-00"
    assert list((place.folder / "cache").iterdir()) == []


def test_every_renewed_forecast_is_what_predict_sync_makes_of_the_fixture_and_replays(place: Place) -> None:
    place.renew(ingested())
    bundle, snapshot = load_champion(place.objects).bundle, place.snapshot
    renewed = list(place.ledger.rows())
    for row in renewed:
        fixture = row.forecast.fixture
        assert fixture.match_id is not None
        answer = forecast_for(
            fixture.match_id, bundle=bundle, snapshot=snapshot, code_revision="c1", now=NOW.replace(microsecond=0)
        )
        assert answer.forecast.probabilities == row.forecast.probabilities
        assert answer.forecast.as_of == row.forecast.as_of
        shown = snapshot.forecast(fixture.match_id)
        assert shown is not None
        assert shown.coverage == answer.coverage
    assert [r.difference for r in replayed(place)] == [None] * len(renewed)


def test_what_new_results_do_not_change_stays_as_recorded_and_everything_replays(place: Place) -> None:
    """A result in England leaves Spain's forecasts as they are: the same rows, of the earlier state."""
    first = place.renew(ingested(1))
    place.load(result_of(place))
    place.now = NOW + timedelta(hours=4)
    second = place.renew(ingested(2))
    assert 0 < second.recorded < second.count < first.count
    added = list(place.ledger.rows())[first.recorded :]
    assert len(added) == second.recorded
    assert {row.forecast.cause for row in added} == {Cause.NEW_RESULTS}
    assert len({row.forecast.fixture.tournament for row in added}) == 1
    for row in place.ledger.latest([r.forecast.fixture.match_id or 0 for r in place.ledger.rows()]):
        shown = place.snapshot.forecast(row.forecast.fixture.match_id or 0)
        if shown is not None:
            assert replace(shown.forecast, fixture=row.forecast.fixture) == row.forecast
    assert {r.difference for r in replayed(place)} == {None}


def test_nothing_new_publishes_nothing_and_is_still_told(place: Place) -> None:
    first = place.renew(ingested(1))
    before = (place.served, place.objects.keys("snapshots/"), list(place.ledger.rows()))
    place.now = NOW + timedelta(seconds=20)
    second = place.renew(ingested(2))
    assert second == msgspec.structs.replace(first, recorded=0)
    assert (place.served, place.objects.keys("snapshots/"), list(place.ledger.rows())) == before


def test_instances_are_told_of_each_snapshot_once_it_is_served(place: Place) -> None:
    place.renew(ingested(1))
    first = place.served
    place.now = NOW + timedelta(seconds=20)
    place.renew(ingested(2))
    place.promote(house.bundle_files(2))
    place.renew(promoted())
    assert place.told == [first, place.served]


def test_a_club_that_is_renamed_is_published_though_no_forecast_changes(place: Place) -> None:
    place.renew(ingested(1))
    told = TeamAlias("made-up", "spain", "Madrid Zero", "spain:club-00", AliasStatus.CONFIRMED, (), NOW)
    SqlMatchStore(place.database).load([], league.teams(), [told], NOW)
    place.now = NOW + timedelta(seconds=20)
    second = place.renew(ingested(2))
    assert second.recorded == 0
    assert place.snapshot.team_id("madrid zero", "spain:la-liga") == "spain:club-00"


def test_a_new_champion_makes_every_forecast_anew_whichever_version_the_event_names(place: Place) -> None:
    place.renew(ingested())
    version = place.promote(house.bundle_files(2))
    place.now = NOW + timedelta(minutes=5)
    told = place.renew(promoted("another"))
    assert (told.model_version, told.recorded) == (version, told.count)
    new = list(place.ledger.rows())[told.count :]
    assert {(r.forecast.model_version, r.forecast.cause) for r in new} == {(version, Cause.NEW_MODEL)}
    assert place.served.model_version == version


def test_the_model_before_comes_back_with_new_rows(place: Place) -> None:
    """The ledger's last row of a match is always the one shown, also where an earlier one said the same."""
    first = place.renew(ingested())
    for number, seed in enumerate((2, 1), 1):
        place.promote(house.bundle_files(seed))
        place.now += timedelta(minutes=5)
        assert place.renew(promoted(number=number)).recorded == first.count
    assert {r.forecast.model_version for r in place.ledger.latest(match_ids(place))} == {first.model_version}


def test_without_a_champion_new_matches_are_handled_and_a_promotion_waits(place: Place) -> None:
    """What is missing after new matches comes with the first promotion; a promotion's own champion must be there."""
    (place.folder / "objects" / CHAMPION_KEY).unlink()
    assert place.renewer().renew(ingested(), Timer(LONG)) is None
    assert SqlInbox(place.database).handled("predict-async", ingested()) is not None
    with pytest.raises(Unavailable, match="no champion"):
        place.renewer().renew(promoted(), Timer(LONG))
    assert SqlInbox(place.database).handled("predict-async", promoted()) is None
    assert (served_snapshot(place.objects), list(place.ledger.rows())) == (None, [])


def test_an_event_of_another_type_or_without_its_data_is_bad(place: Place) -> None:
    with pytest.raises(BadInput, match="renews nothing"):
        place.renewer().renew(replace(ingested(), type="org.matchcast.drift.checked"), Timer(LONG))
    with pytest.raises(BadInput, match=r"data\.task_id"):
        place.renewer().renew(replace(ingested(), data={}), Timer(LONG))


def test_the_same_event_again_gives_the_same_reply_and_computes_nothing(place: Place) -> None:
    first = place.renewer().renew(ingested(), Timer(LONG))

    def unread(_: datetime, __: Sequence[str]) -> History:
        raise AssertionError("read again")

    place.now += timedelta(hours=9)
    assert place.renewer(history=unread).renew(ingested(), Timer(LONG)) == first


def test_deliveries_at_once_renew_once_and_reply_alike(place: Place) -> None:
    with ThreadPoolExecutor(6) as pool:
        events = [ingested(), ingested(), promoted(), ingested(), promoted(), ingested()]
        replies = list(pool.map(lambda event: place.renewer().renew(event, Timer(LONG)), events))
    assert len({reply.id for reply in replies if reply}) == 2
    assert all(replies[0] == reply for reply in (replies[1], replies[3], replies[5]))
    assert replies[2] == replies[4]
    rows_ = list(place.ledger.rows())
    assert len(rows_) == len({row.forecast.fixture.match_id for row in rows_})


@pytest.mark.parametrize("killed_after", ["snapshot", "ledger", "pointer"])
def test_a_renewal_killed_on_its_way_is_finished_by_the_redelivery(place: Place, killed_after: str) -> None:
    """What is recorded is not recorded twice, what is shown is on record, the reply's id is the same."""

    class Killed(BaseException):
        """As SIGKILL: nothing after it runs."""

    class Store(FolderStore):
        def put(self, key: str, content: bytes) -> str:
            pointer = key.endswith("current.json")
            if pointer and killed_after == "ledger":
                raise Killed
            etag = super().put(key, content)
            if (pointer and killed_after == "pointer") or (not pointer and killed_after == "snapshot"):
                raise Killed
            return etag

    with pytest.raises(Killed):
        place.renewer(objects=Store(place.folder / "objects")).renew(ingested(), Timer(LONG))
    recorded = list(place.ledger.rows())
    assert bool(recorded) == (killed_after != "snapshot")
    if killed_after != "pointer":
        assert served_snapshot(place.objects) is None
    place.now += timedelta(seconds=5)
    reply = place.renewer().renew(ingested(), Timer(LONG))
    assert reply is not None
    again = list(place.ledger.rows())
    assert again[: len(recorded)] == recorded
    assert len(again) == len({r.forecast.fixture.match_id for r in again}) == payload_of(reply, ForecastsUpdated).count
    shown = [place.snapshot.forecast(match_id) for match_id in match_ids(place)]
    assert [s.forecast.as_of for s in shown if s] == [r.forecast.as_of for r in again]
    assert {r.difference for r in replayed(place)} == {None}


def test_a_later_renewal_waits_for_the_one_that_runs_and_the_pointer_goes_forward(place: Place) -> None:
    """The second begins while the first reads, and so it is made from later data and published after it."""
    reading, go_on = threading.Event(), threading.Event()
    read = SqlHistory(place.database).history

    def slowly(as_of: datetime, bookmakers: Sequence[str]) -> History:
        found = read(as_of, bookmakers)
        reading.set()
        assert go_on.wait(30)
        return found

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(place.renewer(history=slowly).renew, ingested(1), Timer(LONG))
        assert reading.wait(30)
        place.load(result_of(place))  # writers do not wait for a renewal
        place.now += timedelta(hours=4)
        second = pool.submit(place.renewer().renew, ingested(2), Timer(LONG))
        with pytest.raises(TimedOut):
            place.renewer().renew(ingested(3), Timer(0.2))
        assert not second.done()
        go_on.set()
        replies = [first.result(30), second.result(30)]
    keys = [payload_of(reply, ForecastsUpdated).key for reply in replies if reply]
    assert len(set(keys)) == 2
    assert (place.served.key, place.served.as_of) == (keys[1], (AS_OF + timedelta(hours=4)).isoformat())


def test_a_clock_that_is_behind_does_not_turn_the_snapshot_back(place: Place) -> None:
    place.renew(ingested(1))
    place.load(result_of(place))
    place.now = NOW - timedelta(minutes=3)
    place.promote(house.bundle_files(2))
    place.renew(promoted())
    assert place.served.as_of == AS_OF.isoformat()


def test_no_time_left_writes_nothing(place: Place) -> None:
    with pytest.raises(TimedOut):
        place.renewer().renew(ingested(), Timer(0))
    assert (served_snapshot(place.objects), list(place.ledger.rows())) == (None, [])
    assert SqlInbox(place.database).handled("predict-async", ingested()) is None


def test_whoever_lost_the_turn_writes_nothing(place: Place) -> None:
    """A lock is gone when its connection is: somebody else may be renewing by now."""

    class Lost(SqlTurns):
        @contextmanager
        def turn(self, work: str, deadline: object) -> Iterator[Callable[[], None]]:
            def gone() -> None:
                raise Unavailable("gone")

            yield gone

    with pytest.raises(Unavailable, match="gone"):
        place.renewer(turns=Lost(place.database)).renew(ingested(), Timer(LONG))
    assert (served_snapshot(place.objects), list(place.ledger.rows())) == (None, [])


def test_nothing_to_come_is_published_as_nothing(database: Database, tmp_path: Path) -> None:
    empty = Place(database, tmp_path)
    empty.promote(house.bundle_files(1))
    told = empty.renew(ingested())
    assert (told.count, told.recorded) == (0, 0)
    assert empty.snapshot.model_version == load_bundle(house.bundle_files(1)).version


def match_ids(place: Place) -> list[int]:
    return [row.forecast.fixture.match_id or 0 for row in place.ledger.rows()]


def replayed(place: Place) -> list[Replayed]:
    """Every row of the ledger made again."""

    def open_state(_: str, content: bytes) -> RecordedState:
        file = place.folder / "recorded.sqlite"
        file.unlink(missing_ok=True)
        file.write_bytes(content)
        snapshot = open_snapshot(file)
        return RecordedState(snapshot, read_state(file, snapshot))

    replayer = Replayer(place.ledger, place.objects, open_state)
    return [replayer.replay(row.forecast_id) for row in place.ledger.rows()]
