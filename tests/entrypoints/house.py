"""A small house for tests: two invented leagues, real state, bundles, snapshot, object folder and database."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Final

import numpy as np

from matchcast.adapters.database.api_keys import SqlApiKeys
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.database.migrate import migrate
from matchcast.adapters.objects_folder import FolderStore
from matchcast.adapters.snapshot_file import SnapshotFile, open_snapshot
from matchcast.adapters.snapshot_writer import write_snapshot
from matchcast.domain.forecast import Cause, Forecast
from matchcast.domain.match import Fixture, MatchStatus, SourceMatch, match_id
from matchcast.features.columns import STAT_NAMES, MatchColumns, columns_of
from matchcast.features.compiled import PassResult, plain_kernel, run_pass
from matchcast.features.contract import FeatureContract, choose
from matchcast.model.bundle import features_known, load_bundle, pack_bundle
from matchcast.model.forecaster import Forecaster
from matchcast.model.goals import Goals
from matchcast.model.interval import Interval
from matchcast.model.linear import Linear
from matchcast.model.scaling import Scaling
from matchcast.model.trees import Trees
from matchcast.ports import ObjectStore, ResolvedMatch, TeamRecord
from matchcast.usecases.champion import CHAMPION_KEY, ChampionPointer, set_champion
from matchcast.usecases.predict import make_forecast
from matchcast.usecases.publish import SnapshotPointer, publish_snapshot

NOW: Final = datetime(2025, 3, 1, 9, tzinfo=UTC)
AS_OF: Final = datetime(2025, 3, 1, tzinfo=UTC)
ENGLAND: Final = "england:premier-league"
SPAIN: Final = "spain:la-liga"
CLUBS: Final = {
    ENGLAND: ("northgate-united", "southbrook-city", "east-ham-rovers", "westfield-fc", "Ålmouth", "kingsport-town"),
    SPAIN: ("atletico-rio", "real-costa", "deportivo-llano", "union-sierra"),
}
NEWCOMER: Final = TeamRecord("england:newtown", "Newtown", "england")
TEAMS: Final = (
    NEWCOMER,
    *(
        TeamRecord(f"{t.partition(':')[0]}:{slug.lower()}", slug.replace("-", " ").title(), t.partition(":")[0])
        for t, slugs in CLUBS.items()
        for slug in slugs
    ),
)
ALIASES: Final = {
    "england:northgate-united": ("Northgate Utd", "Gate"),
    "england:southbrook-city": ("Arsenal",),  # the documented examples ask for these two
    "england:kingsport-town": ("Chelsea",),
    "spain:atletico-rio": ("Atlético Río",),
}


@dataclass(frozen=True)
class Game:
    """One invented match."""

    tournament: str
    home: str
    away: str
    season: int
    kickoff_at: datetime
    score: tuple[int, int] | None
    stats: tuple[float, ...]

    @property
    def id(self) -> int:
        return match_id(self.tournament, self.home, self.away, self.kickoff_at.date().isoformat())


@cache
def games() -> tuple[Game, ...]:
    """Two seasons; those from AS_OF on are to come, the last of them without a known time."""
    rng = np.random.default_rng(7)
    found = []
    for tournament, slugs in CLUBS.items():
        country = tournament.partition(":")[0]
        pairings = list(permutations([f"{country}:{slug.lower()}" for slug in slugs], 2))
        for season in (2023, 2024):
            step = timedelta(days=270) / len(pairings)
            for i, turn in enumerate(rng.permutation(len(pairings))):
                home, away = pairings[turn]
                start = datetime(season, 8, 10, 15, tzinfo=UTC)
                kickoff_at = (start + i * step).replace(minute=0, second=0, microsecond=0)
                if i % 9 == 8:
                    kickoff_at = kickoff_at.replace(hour=0)
                played = kickoff_at < AS_OF - timedelta(days=1)
                score = (int(rng.poisson(1.6)), int(rng.poisson(1.2)))
                stats = tuple(float(x) for x in rng.poisson(8, len(STAT_NAMES)))
                found.append(Game(tournament, home, away, season, kickoff_at, score if played else None, stats))
    return tuple(found)


@cache
def matches() -> MatchColumns:
    """The games as the forward pass reads them."""
    all_games = games()
    nan = float("nan")
    return columns_of(
        match_ids=[g.id for g in all_games],
        tournaments=[g.tournament for g in all_games],
        seasons=[g.season for g in all_games],
        kickoffs=np.array([int(g.kickoff_at.timestamp()) for g in all_games], dtype=np.int64),
        kickoffs_known=np.array([g.kickoff_at.hour != 0 for g in all_games]),
        home_teams=[g.home for g in all_games],
        away_teams=[g.away for g in all_games],
        finished=np.array([g.score is not None for g in all_games]),
        home_goals=np.array([g.score[0] if g.score else nan for g in all_games], dtype=np.float64),
        away_goals=np.array([g.score[1] if g.score else nan for g in all_games], dtype=np.float64),
        stats=np.array([g.stats if g.score else [nan] * len(STAT_NAMES) for g in all_games], dtype=np.float64),
    )


@cache
def contract() -> FeatureContract:
    """A bit of everything."""
    families = ("elo", "pi", "goals", "shots", "counts", "league", "form", "meetings", "rest")
    return choose(families, ("home", "diff"), ("all", "season"), (1, 5), ("win", "goals_for", "shots_for"))


@cache
def passed() -> PassResult:
    """Rows of all games as of their day or AS_OF, whichever is earlier, and the state as of AS_OF."""
    table = matches()
    as_of = np.minimum(table.day, int(AS_OF.timestamp()))
    return run_pass(table, contract(), as_of, end=int(AS_OF.timestamp()), kernel=plain_kernel())


@cache
def fixtures() -> tuple[Fixture, ...]:
    """The games to come."""
    return tuple(
        Fixture(g.tournament, g.home, g.away, g.kickoff_at, g.season, g.id, g.kickoff_at.hour != 0)
        for g in games()
        if g.score is None
    )


class LaterContract(FeatureContract):
    """As later code may write it: features have a field that this code does not know."""

    def to_json(self) -> str:
        content = json.loads(super().to_json())
        features = [feature | {"half_life": 30} for feature in content["features"]]
        return json.dumps(content | {"features": features})


@cache
def bundle_files(seed: int, later: bool = False) -> dict[str, bytes]:
    """A bundle of random stumps and coefficients: small, real, and different for each seed; that of 2 has no interval.

    Args:
        later: made by later code, so that this cannot read it although every hash is right.
    """
    rng = np.random.default_rng(seed)
    features = len(contract().features)
    rows = passed().rows
    stumps = 12
    feature = np.zeros(3 * stumps, dtype=np.int32)
    feature[::3] = rng.integers(0, features, stumps)
    nodes = np.arange(3 * stumps, dtype=np.int32)
    left, right = nodes.copy(), nodes.copy()
    left[::3], right[::3] = nodes[1::3], nodes[2::3]
    threshold = np.zeros(3 * stumps, dtype=np.float32)
    threshold[::3] = np.nan_to_num(rows[rng.integers(0, len(rows), stumps), feature[::3]])
    value = rng.normal(0, 0.2, 3 * stumps).astype(np.float32)
    value[::3] = 0
    cover = rng.uniform(1, 9, 3 * stumps).astype(np.float32)
    cover[::3] = cover[1::3] + cover[2::3]
    trees = Trees(
        feature, threshold, left, right, np.zeros(3 * stumps, dtype=np.bool_), value, cover, nodes[::3].copy(),
        np.array([0.4, 0.1, 0.2], dtype=np.float32), 1,
    )  # fmt: skip
    scaling = Scaling.of(rows, 4.0)
    forecaster = Forecaster(
        trees,
        Linear(scaling, rng.normal(0, 0.05, (3, features)), np.array([0.3, 0.0, 0.1])),
        Goals(scaling, rng.normal(0, 0.02, (2, features)), np.log([1.6, 1.2]), -0.08),
        np.array([0.4, 0.35, 0.25]),
        1.1,
    )
    written = LaterContract(contract().features, contract().code_hash) if later else contract()
    return pack_bundle(
        forecaster, b"not served", written, {"log_loss": 1.0}, rows[:5], forecaster.predict(rows[:5]),
        run_id=f"run{seed}", trained_from="2023-08-10", trained_until="2025-02-28", data_version="d1",
        code_revision="c1", params_hash="p1", created_at="2025-03-01T00:00:00+00:00",
        interval=None if seed == 2 else Interval(0.8, (1.5, 1.2, 1.4), (0.1, 0.05, 0.1), "closing odds", 900, 0.78, 300),
    )  # fmt: skip


def current_forecasts(seed: int, snapshot: SnapshotFile) -> list[Forecast]:
    """What the batch would make of all fixtures but the last."""
    bundle = load_bundle(bundle_files(seed))
    return [
        make_forecast(f, bundle=bundle, snapshot=snapshot, code_revision="c1", as_of=AS_OF, cause=Cause.NEW_RESULTS)
        for f in fixtures()[:-1]
    ]


def snapshot_file(path: Path, seed: int) -> Path:
    """A snapshot with the forecasts of the bundle with this seed."""
    about: dict[str, object] = {"state": passed().state, "teams": TEAMS, "aliases": ALIASES, "fixtures": fixtures()}
    about["model_version"] = load_bundle(bundle_files(seed)).version
    write_snapshot(path, **about, forecasts=(), features_known=())  # type: ignore[arg-type]
    forecasts = current_forecasts(seed, open_snapshot(path))
    known = features_known(passed().rows)[[game.score is None for game in games()]][:-1].tolist()
    write_snapshot(path, **about, forecasts=forecasts, features_known=known)  # type: ignore[arg-type]
    return path


@cache
def snapshot_bytes(seed: int, folder: Path) -> bytes:
    """The content of `snapshot_file`."""
    return snapshot_file(folder / f"{seed}.sqlite", seed).read_bytes()


def resolved() -> list[ResolvedMatch]:
    """The games as a source tells them, without statistics."""
    return [
        ResolvedMatch(
            SourceMatch(
                "invented", str(g.id), line, g.tournament, g.season, g.kickoff_at, g.kickoff_at.hour != 0,
                g.home, g.away, MatchStatus.FINISHED if g.score else MatchStatus.UPCOMING,
                *(g.score or (None, None)),
            ),
            g.home,
            g.away,
        )
        for line, g in enumerate(games(), 1)
    ]  # fmt: skip


@dataclass(frozen=True)
class House:
    """Everything that serving opens, in a folder."""

    folder: Path

    @property
    def objects(self) -> FolderStore:
        return FolderStore(self.folder / "objects")

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.folder}/matchcast.db"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "MATCHCAST_DATABASE_URL": self.database_url,
            "MATCHCAST_OBJECTS_URL": str(self.folder / "objects"),
            "MATCHCAST_CACHE_DIR": str(self.cache),
            "MATCHCAST_CLOCK_STARTS_AT": NOW.isoformat(),
            "MATCHCAST_CODE_REVISION": "c1",
        }

    def promote(self, seed: int) -> ChampionPointer:
        return set_champion(self.objects, bundle_files(seed), NOW.isoformat(), NOW.isoformat())

    def promote_unchecked(self, files: Mapping[str, bytes]) -> ChampionPointer:
        return promote_unchecked(self.objects, files)

    def publish(self, seed: int, made_in: Path) -> SnapshotPointer:
        bundle = load_bundle(bundle_files(seed))
        return publish_snapshot(
            self.objects, snapshot_bytes(seed, made_in), state_hash=passed().state.hash, as_of=AS_OF,
            model_version=bundle.version, run_id=bundle.run_id, published_at=NOW,
        )  # fmt: skip

    def fill_database(self) -> None:
        migrate(self.database_url)
        SqlMatchStore(Database(self.database_url)).load(resolved(), TEAMS, (), NOW)

    @property
    def keys(self) -> SqlApiKeys:
        return SqlApiKeys(Database(self.database_url))

    def key(self, *scopes: str) -> str:
        return self.keys.create("tests", frozenset(scopes), NOW).text


def promote_unchecked(objects: ObjectStore, files: Mapping[str, bytes]) -> ChampionPointer:
    """Make a bundle the champion without loading it, as other code than this may."""
    manifest = json.loads(files["manifest.json"])
    prefix = f"models/{manifest['version']}/"
    pointer = ChampionPointer(
        manifest["version"], manifest["run_id"], prefix, hashlib.sha256(files["manifest.json"]).hexdigest(),
        NOW.isoformat(), NOW.isoformat(),
    )  # fmt: skip
    for name, content in files.items():
        objects.put(prefix + name, content)
    objects.put(CHAMPION_KEY, json.dumps(asdict(pointer)).encode())
    return pointer


def moved(fixture: Fixture, **changes: object) -> Fixture:
    """The fixture with other values."""
    return replace(fixture, **changes)  # type: ignore[arg-type]
