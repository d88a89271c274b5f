"""The state snapshot as a file."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import NoReturn

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchcast.adapters.objects_cache import CachedObjects
from matchcast.adapters.snapshot_file import SnapshotFile, open_snapshot
from matchcast.adapters.snapshot_writer import write_snapshot
from matchcast.domain.match import Fixture, MatchStatus
from matchcast.errors import SnapshotBroken, UnknownTeam, UnknownTournament
from matchcast.features.compiled import run_pass
from matchcast.features.contract import kernel_hash
from matchcast.features.online import read_row
from matchcast.features.state import empty_pair, empty_seat, empty_team
from matchcast.ports import MatchFilter, TeamRecord
from tests.entrypoints import house
from tests.entrypoints.house import ENGLAND, SPAIN


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return house.snapshot_file(tmp_path_factory.mktemp("snapshot") / "s.sqlite", seed=1)


@pytest.fixture(scope="module")
def snapshot(path: Path) -> SnapshotFile:
    return open_snapshot(path, kernel_hash())


def test_rows_read_through_the_file_equal_the_compiled_pass_to_the_bit(snapshot: SnapshotFile) -> None:
    """Every fixture to come gives online the row that the compiled pass gives."""
    compiled = run_pass(house.matches(), house.contract(), house.matches().day.clip(max=int(house.AS_OF.timestamp())))
    by_id = dict(zip(house.matches().match_id.tolist(), compiled.rows, strict=True))
    for fixture in house.fixtures():
        online = np.array(read_row(snapshot.pairing(fixture), fixture, house.contract()), dtype=np.float32)
        assert online.tobytes() == by_id[fixture.match_id].tobytes()
        assert not np.isnan(online).all()


def test_the_file_tells_what_it_was_made_from(snapshot: SnapshotFile) -> None:
    assert snapshot.state_hash == house.passed().state.hash
    assert snapshot.as_of == house.AS_OF
    assert snapshot.code_hash == kernel_hash()


def test_equal_input_gives_equal_bytes(path: Path, tmp_path: Path) -> None:
    assert house.snapshot_file(tmp_path / "again.sqlite", seed=1).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("name", "team"),
    [
        ("england:northgate-united", "england:northgate-united"),
        ("Northgate United", "england:northgate-united"),
        ("NORTHGATE  utd", "england:northgate-united"),
        ("gate", "england:northgate-united"),
        ("almouth", "england:ålmouth"),
        ("Westfield", "england:westfield-fc"),
    ],
)
def test_a_club_is_found_by_id_name_and_alias(snapshot: SnapshotFile, name: str, team: str) -> None:
    assert snapshot.team_id(name, ENGLAND) == team


def test_an_unknown_club_comes_with_the_nearest_names(snapshot: SnapshotFile) -> None:
    with pytest.raises(UnknownTeam, match="did you mean Northgate United") as caught:
        snapshot.team_id("Nortgate Unted", ENGLAND)
    assert caught.value.suggestions[0] == "Northgate United"


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("Arsenl", ("Arsenal",)),
        ("Sheffeld", ("Sheffield United", "Sheffield Wednesday")),
        ("Huddersfeld", ("Huddersfield Town",)),
        ("Bornmouth", ("Barnsley",)),
    ],
)
def test_only_names_that_are_near_are_suggested_and_the_nearest_in_any_case(
    tmp_path: Path, name: str, suggested: tuple[str, ...]
) -> None:
    names = ("Arsenal", "Barnsley", "Huddersfield Town", "Sheffield United", "Sheffield Wednesday")
    teams = [TeamRecord(f"england:{n.lower().replace(' ', '-')}", n, "england") for n in names]
    whole = house.passed().state
    nobodys = replace(
        whole, team_ids=(), tournament_ids=(ENGLAND,), teams=whole.teams[:0], leagues=whole.leagues[:1],
        seat_keys=whole.seat_keys[:0], seats=whole.seats[:0], pair_keys=whole.pair_keys[:0], pairs=whole.pairs[:0],
    )  # fmt: skip
    write_snapshot(
        tmp_path / "s.sqlite",
        state=nobodys,
        teams=teams,
        aliases={},
        fixtures=(),
        forecasts=(),
        features_known=(),
        model_version="v",
    )
    with pytest.raises(UnknownTeam) as caught:
        open_snapshot(tmp_path / "s.sqlite").team_id(name, ENGLAND)
    assert caught.value.suggestions == suggested


def test_a_club_of_another_country_is_unknown(snapshot: SnapshotFile) -> None:
    with pytest.raises(UnknownTeam):
        snapshot.team_id("Atletico Rio", ENGLAND)
    assert snapshot.team_id("atlético río", SPAIN) == "spain:atletico-rio"


def test_a_name_of_two_clubs_asks_for_the_id(tmp_path: Path) -> None:
    twins = [TeamRecord("england:a", "Same", "england"), TeamRecord("england:b", "FC Same", "england")]
    path = tmp_path / "s.sqlite"
    write_snapshot(
        path,
        state=house.passed().state,
        teams=twins,
        aliases={},
        fixtures=(),
        forecasts=(),
        features_known=(),
        model_version="v",
    )
    with pytest.raises(UnknownTeam, match="england:a, england:b"):
        open_snapshot(path).team_id("same", ENGLAND)


def test_a_tournament_is_found_by_id_and_name(snapshot: SnapshotFile) -> None:
    assert {snapshot.tournament_id(n) for n in (ENGLAND, "premier LEAGUE", "England Premier League")} == {ENGLAND}
    with pytest.raises(UnknownTournament, match=SPAIN):
        snapshot.tournament_id("Bundesliga")


def test_clubs_never_seen_start_empty(snapshot: SnapshotFile) -> None:
    fixture = Fixture(ENGLAND, "england:new", "england:northgate-united", house.NOW)
    pairing = snapshot.pairing(fixture)
    assert list(pairing.home) == empty_team()
    assert list(pairing.home_seat) == empty_seat()
    assert list(pairing.pair) == empty_pair()
    assert pairing.home_is_first


def test_every_field_of_a_forecast_survives(snapshot: SnapshotFile) -> None:
    listed = snapshot.forecasts(MatchFilter(), None, 200)
    for forecast in house.current_forecasts(1, snapshot):
        assert forecast.fixture.match_id is not None
        current = snapshot.forecast(forecast.fixture.match_id)
        assert current is not None
        assert current.forecast == forecast
        assert current in listed, "coverage comes with the list"


def test_a_fixture_is_found_by_pairing_and_day(snapshot: SnapshotFile) -> None:
    fixture = house.fixtures()[0]
    day = fixture.kickoff_at.date()
    assert snapshot.fixture_of(fixture.tournament, fixture.home_team, fixture.away_team, day) == fixture
    assert (
        snapshot.fixture_of(fixture.tournament, fixture.home_team, fixture.away_team, day + timedelta(days=1)) is None
    )


def test_lists_are_narrowed(snapshot: SnapshotFile) -> None:
    everything = snapshot.forecasts(MatchFilter(), None, 200)
    assert len(everything) == len(house.fixtures()) - 1
    middle = everything[4].forecast.fixture.kickoff_at
    narrowed: dict[MatchFilter, Callable[[Fixture], bool]] = {
        MatchFilter(kickoff_from=middle): lambda f: f.kickoff_at >= middle,
        MatchFilter(kickoff_to=middle): lambda f: f.kickoff_at < middle,
        MatchFilter(tournament=SPAIN): lambda f: f.tournament == SPAIN,
        MatchFilter(team="england:westfield-fc"): lambda f: "england:westfield-fc" in (f.home_team, f.away_team),
        MatchFilter(status=MatchStatus.FINISHED): lambda f: False,
    }
    for chosen, belongs in narrowed.items():
        assert snapshot.forecasts(chosen, None, 200) == [c for c in everything if belongs(c.forecast.fixture)]


def test_many_threads_read_one_file(snapshot: SnapshotFile) -> None:
    expected = [snapshot.pairing(f) for f in house.fixtures()]
    wrong: list[object] = []

    def read() -> None:
        for _ in range(30):
            wrong.extend(f for f, e in zip(house.fixtures(), expected, strict=True) if snapshot.pairing(f) != e)

    threads = [Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(SnapshotBroken, match=r"there is no state snapshot at .*batch_inference"):
        open_snapshot(tmp_path / "none.sqlite")


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\x00" + b"\x00" * 4080])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(SnapshotBroken, match="batch_inference"):
        open_snapshot(tmp_path / "x")


def test_a_truncated_file_is_refused(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()
    for length in (100, 4096, len(content) // 2, len(content) - 1):
        (tmp_path / "x").write_bytes(content[:length])
        with pytest.raises(SnapshotBroken, match="batch_inference"):
            open_snapshot(tmp_path / "x")


def test_other_feature_code_is_refused(path: Path) -> None:
    with pytest.raises(SnapshotBroken, match="made by feature code"):
        open_snapshot(path, "0" * 64)


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, 10**9), flip=st.integers(1, 255))
def test_a_flipped_byte_never_reaches_an_answer(
    tmp_path_factory: pytest.TempPathFactory, path: Path, position: int, flip: int
) -> None:
    """Wherever a byte of the published file was changed, the copy is refused."""
    folder = tmp_path_factory.mktemp("flip")
    here = house.House(folder)
    pointer = here.publish(1, folder)
    content = bytearray(here.objects.get(pointer.key))
    content[position % len(content)] ^= flip
    here.objects.put(pointer.key, bytes(content))
    with pytest.raises(SnapshotBroken, match="was altered"):
        CachedObjects(here.objects, here.cache).file(pointer.key, pointer.sha256)


def test_a_crash_while_writing_leaves_the_old_file(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "s.sqlite"
    target.write_bytes(path.read_bytes())

    class Failing(dict[str, tuple[str, ...]]):
        def get(self, *_: object) -> NoReturn:
            raise OSError("the aliases cannot be read")

    with pytest.raises(OSError, match="the aliases cannot be read"):
        write_snapshot(
            target, state=house.passed().state, teams=house.TEAMS, aliases=Failing(), fixtures=(), forecasts=(),
            features_known=(), model_version="v",
        )  # fmt: skip
    assert target.read_bytes() == path.read_bytes()
    assert list(tmp_path.iterdir()) == [target]


def test_a_fixture_without_an_id_and_a_forecast_of_no_fixture_are_refused(path: Path, tmp_path: Path) -> None:
    no_id = Fixture(ENGLAND, "england:a", "england:b", datetime(2025, 4, 1, tzinfo=UTC))
    (stray, *_) = house.current_forecasts(1, open_snapshot(path))
    for fixtures, forecasts in (([no_id], []), ([], [stray])):
        with pytest.raises(ValueError, match="snapshot"):
            write_snapshot(
                tmp_path / "s.sqlite", state=house.passed().state, teams=(), aliases={}, fixtures=fixtures,
                forecasts=forecasts, features_known=[1.0] * len(forecasts), model_version="v",
            )  # fmt: skip
