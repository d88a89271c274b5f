"""What single stages do, without the rest of the pipeline."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchcast.domain.match import MatchStatus
from matchcast.errors import BadInput, BadSource, NotFound
from pipeline.files import read_parquet, write_folder, write_parquet
from pipeline.load_data_from_sources import verified
from pipeline.params import Split, read_params
from pipeline.preprocessing import sort_out
from pipeline.split_data import split

AS_OF = datetime(2025, 3, 15, 12, tzinfo=UTC)
DAY = 86_400
ROOT = Path(__file__).parents[2]


def matches(*rows: tuple[MatchStatus, datetime, bool, int | None]) -> pa.Table:
    """Matches of (status, kick-off, whether its time is known, goals of both sides)."""
    return pa.table(
        {
            "match_id": pa.array(range(len(rows)), pa.int64()),
            "status": pa.array([int(status) for status, *_ in rows], pa.int8()),
            "kickoff_at": pa.array([kickoff_at for _, kickoff_at, _, _ in rows], pa.timestamp("us", "UTC")),
            "kickoff_known": pa.array([known for _, _, known, _ in rows]),
            "home_goals": pa.array([goals for *_, goals in rows], pa.int16()),
            "away_goals": pa.array([goals for *_, goals in rows], pa.int16()),
        }
    )


@given(
    st.lists(
        st.tuples(
            st.sampled_from(MatchStatus),
            st.integers(-10_000, 10_000).map(lambda minutes: AS_OF + timedelta(minutes=minutes)),
            st.booleans(),
            st.none() | st.integers(0, 9),
        ),
        max_size=20,
    )
)
def test_every_match_is_finished_or_to_come_or_counted_under_a_reason(
    rows: list[tuple[MatchStatus, datetime, bool, int | None]],
) -> None:
    finished, future, counts = sort_out(matches(*rows), AS_OF)
    total = counts.pop("matches")
    assert total == len(rows) == sum(counts.values())
    assert (counts["finished"], counts["future"]) == (len(finished), len(future))
    assert set(finished["match_id"].to_pylist()).isdisjoint(future["match_id"].to_pylist())


def test_a_fixture_is_to_come_while_it_may_not_have_kicked_off() -> None:
    upcoming = MatchStatus.UPCOMING
    midnight = AS_OF.replace(hour=0)
    table = matches(
        (upcoming, AS_OF, True, None),
        (upcoming, AS_OF + timedelta(seconds=1), True, None),
        (upcoming, midnight, False, None),
        (upcoming, midnight - timedelta(days=1), False, None),
    )
    _, future, counts = sort_out(table, AS_OF)
    assert future["match_id"].to_pylist() == [2, 1]
    assert counts["upcoming_but_overdue"] == 2


@given(
    days=st.lists(st.integers(0, 4000), min_size=1, max_size=200),
    holdout_days=st.integers(1, 900),
    warm_up_days=st.integers(0, 400),
    folds=st.integers(1, 6),
)
def test_no_training_match_is_as_late_as_the_holdout_and_no_fold_sees_its_validation(
    days: list[int], holdout_days: int, warm_up_days: int, folds: int
) -> None:
    day = np.array(days, dtype=np.int64) * DAY
    params = Split(
        first_day=date(1970, 1, 1), warm_up_days=warm_up_days, holdout_from=None, holdout_days=holdout_days, folds=folds
    )
    try:
        parts = split(day, day + DAY, params)
    except BadInput as refused:
        assert "pipeline/conf" in str(refused)
        return
    assert not (parts.train & parts.holdout).any()
    assert day[parts.train].max() < day[parts.holdout].min()
    assert len(parts.folds) <= folds
    for fold in parts.folds:
        assert fold.train_from <= fold.validate_from < fold.validate_until <= parts.holdout_from
        assert 0 < fold.train_matches + fold.validate_matches <= parts.train.sum()


def test_a_split_that_leaves_nothing_to_train_on_names_the_knobs() -> None:
    params = Split(first_day=date(2030, 1, 1), warm_up_days=0, holdout_from=None, holdout_days=10, folds=1)
    with pytest.raises(BadInput, match=r"first_day.*holdout_days in pipeline/conf"):
        split(np.arange(100, dtype=np.int64) * DAY, np.arange(1, 101, dtype=np.int64) * DAY, params)


def test_the_holdout_may_start_on_a_given_day() -> None:
    params = Split(first_day=date(1970, 1, 1), warm_up_days=0, holdout_from=date(1970, 3, 1), holdout_days=1, folds=1)
    parts = split(np.arange(100, dtype=np.int64) * DAY, np.arange(1, 101, dtype=np.int64) * DAY, params)
    assert (int(parts.train.sum()), int(parts.holdout.sum())) == (59, 41)


def test_a_result_not_known_as_a_fold_begins_is_not_counted_as_its_training() -> None:
    """A late kick-off of the day before is kept in the training part all the same: later folds learn from it."""
    params = Split(first_day=date(1970, 1, 1), warm_up_days=0, holdout_from=date(1972, 1, 1), holdout_days=1, folds=1)
    day = np.arange(800, dtype=np.int64) * DAY
    known_at = day + DAY
    before = split(day, known_at, params)
    known_at[364] += 1
    after = split(day, known_at, params)
    assert (after.train == before.train).all()
    assert after.folds[0].train_matches == before.folds[0].train_matches - 1 == 364
    assert after.folds[0].validate_matches == before.folds[0].validate_matches == 365


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export folder with the right hashes."""
    folder = tmp_path / "export"
    folder.mkdir()
    files = {}
    for name in ("matches.parquet", "teams.parquet", "tournaments.parquet"):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path)
            write_parquet(folder / name, pa.table({"x": [1, 2]}))
        files[name] = {"rows": 2, "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}
    manifest = {"as_of": AS_OF.isoformat(), "data_version": "v", "files": files}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_sound_export_is_taken_over(export: Path) -> None:
    assert set(verified(export)) == {"manifest.json", "matches.parquet", "teams.parquet", "tournaments.parquet"}


def test_a_missing_export_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadSource, match=r"lacks manifest.json, matches.parquet.*run `matchcast export`"):
        verified(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["matches.parquet", "teams.parquet", "tournaments.parquet"])
def test_an_export_file_with_one_byte_changed_is_refused(export: Path, name: str) -> None:
    content = bytearray((export / name).read_bytes())
    content[len(content) // 2] ^= 1
    (export / name).write_bytes(content)
    with pytest.raises(BadSource, match=rf"{name} is not the file that its manifest describes"):
        verified(export)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"as_of": "x", "data_version": "v", "files": []}'])
def test_an_unreadable_manifest_is_refused(export: Path, text: str) -> None:
    (export / "manifest.json").write_text(text)
    with pytest.raises(BadSource, match=r"manifest.json cannot be read"):
        verified(export)


def test_a_stage_in_a_folder_without_export_ends_with_one_clear_message(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.load_data_from_sources"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: var/export lacks manifest.json")
    assert "run `matchcast export`" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_reading_what_no_stage_wrote_says_to_run_the_pipeline(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="run `dvc repro`"):
        read_parquet(tmp_path / "data" / "raw" / "matches.parquet")


@pytest.mark.parametrize(
    ("section", "change", "named"),
    [
        ("split", {"holdout_days": 0}, "split.holdout_days"),
        ("split", {"holdout": 3}, "split.holdout"),
        ("features", {"families": ["elo", "astrology"]}, "astrology"),
        ("gates", {"raw": {"first_day": "yesterday", "horizon_days": 3}}, "gates.raw.first_day"),
        ("registry", {"model": ""}, "registry.model"),
        ("model", {"threads": 0}, "model.threads"),
        ("model", {"trees": {"max_depth": 3}}, "model.trees.eta: Field required"),
        ("model", {"linear": {"c": "abc", "seasons": 8, "clip": 5}}, "model.linear.c"),
        ("model", {"goals": {"penalty": 1, "seasons": 0, "clip": 5, "most_goals": 8}}, "model.goals.seasons"),
        ("model", {"depth": 3}, "model.depth"),
    ],
)
def test_a_wrong_knob_is_named(tmp_path: Path, section: str, change: dict[str, object], named: str) -> None:
    import yaml

    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params[section].update(change)
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(params))
    with pytest.raises(BadInput, match=named):
        read_params(file)


def test_params_that_do_not_train_leave_the_params_hash_alone() -> None:
    params = read_params(ROOT / "params.yaml")
    other = params.model_copy(update={"registry": params.registry.model_copy(update={"reference_rows": 7})})
    retrained = params.model_copy(update={"model": params.model.model_copy(update={"seed": 1})})
    assert params.hash == other.hash != retrained.hash


WRITER = """
import sys
import pyarrow as pa
from pathlib import Path
from pipeline.files import write_folder, write_parquet
for i in range(1_000_000):
    write_parquet(Path("data/table.parquet"), pa.table({"x": [i] * 20_000}))
    write_folder(Path("data/folder"), {"a": str(i).encode() * 1000, "b": str(i).encode() * 1000})
    print(i, flush=True)
"""


def test_a_writer_that_is_killed_leaves_whole_files_only(tmp_path: Path) -> None:
    for killed_after in (1, 3, 8):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT}/shared"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout as lines:
            for _ in range(killed_after):
                lines.readline()
            process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        column = read_parquet(tmp_path / "data/table.parquet")["x"].to_pylist()
        assert len(column) == 20_000
        assert len(set(column)) == 1
        folder = tmp_path / "data/folder"
        if folder.exists():
            assert len({file.read_bytes() for file in folder.iterdir()}) == 1
            assert {file.name for file in folder.iterdir()} == {"a", "b"}


def test_equal_tables_give_equal_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = pa.table({"x": [1.5, None, float("nan")], "y": ["a", "b", None]})
    write_parquet(Path("data/one.parquet"), table)
    write_parquet(Path("data/two.parquet"), table)
    assert Path("data/one.parquet").read_bytes() == Path("data/two.parquet").read_bytes()


def test_a_rewritten_folder_keeps_nothing_of_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(Path("data/folder"), {"old": b"1", "both": b"1"})
    write_folder(Path("data/folder"), {"new": b"2", "both": b"2"})
    assert {f.name: f.read_bytes() for f in Path("data/folder").iterdir()} == {"new": b"2", "both": b"2"}
