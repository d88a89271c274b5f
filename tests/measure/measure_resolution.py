"""How well clubs and tournaments are found across sources: precision, recall and what is left open, with and without
the committed names.

Precision is over the names given a club that another source tells; recall over the names whose club another source
tells. Needs ../shared/data; says so and ends where it is missing.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.database.migrate import migrate
from matchcast.adapters.files import read_file
from matchcast.adapters.sources import detect
from matchcast.adapters.sources.aliases import committed_aliases
from matchcast.adapters.sources.whoscored import WhoScored
from matchcast.domain.match import SourceMatch
from matchcast.ports import Parsed, TeamAlias
from matchcast.ports.reviews import HeldName
from matchcast.usecases.ingest import ParsedFile, ingest
from matchcast.usecases.team_review import held_names
from tests.measure.same_clubs import FOOTBALL_DATA_NAME, WHOSCORED_NAME
from tests.measure.same_tournaments import measure as measure_tournaments

DATA: Final = Path(__file__).parents[3] / "shared/data"
NOW: Final = datetime(2025, 6, 1, tzinfo=UTC)
Names = Mapping[str, Mapping[str, str]]


class Found(NamedTuple):
    """What became of the names.

    Attributes:
        right, wrong: names given the club of the first source's name, or another one.
        split: names made a club of their own though the first source tells it.
        held: names left open.
    """

    right: int
    wrong: Sequence[str]
    split: Sequence[str]
    held: Sequence[HeldName]
    by_spelling: int
    by_calendar: int
    seconds: float


def load(store: SqlMatchStore, rows: Sequence[SourceMatch], committed: Sequence[TeamAlias]) -> tuple[int, int]:
    report = ingest([ParsedFile("measured", Parsed(rows, []))], store, committed, NOW)
    return len(report.recognised), len(report.by_calendar)


def resolve(loads: Sequence[Sequence[SourceMatch]], truth: Names, pair: tuple[str, str], known: bool) -> Found:
    """Load one after another into an empty store and compare with the truth.

    Args:
        truth: by country, names of `pair[0]` to those of `pair[1]`.
        known: with the committed names.
    """
    committed = committed_aliases() if known else []
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/measured.db"
        migrate(url)
        database = Database(url)
        store = SqlMatchStore(database)
        started = time.perf_counter()
        counts = [load(store, rows, committed) for rows in loads]
        seconds = time.perf_counter() - started
        clubs = {(a.source, a.country, a.name): a.team_id for a in store.aliases() if a.team_id is not None}
        told = {(source, club) for (source, _, _), club in clubs.items()}
        held = [name for name in held_names(store) if name.alias.source in pair]
        database.close()
    right, wrong, split = 0, [], []
    for country, names in truth.items():
        for one, other in names.items():
            club, expected = clubs.get((pair[0], country, one)), clubs.get((pair[1], country, other))
            if club is None or expected is None:
                continue
            if club == expected:
                right += 1
            elif (pair[1], club) in told:
                wrong.append(f"{one} = {club}")
            else:
                split.append(f"{one} = {club}")
    spelt, matched = (sum(count[kind] for count in counts) for kind in (0, 1))
    return Found(right, wrong, split, held, spelt, matched, seconds)


def tell(what: str, found: Found, of: int) -> None:
    linked = found.right + len(found.wrong)
    precision = f"{found.right / linked:7.1%}" if linked else "      -"
    print(
        f"{what:<62}{precision}{found.right / of:8.1%}{found.right:>5} of {of:<4}{len(found.wrong):>6}"
        f"{len(found.split):>6}{len(found.held):>6}{found.by_spelling:>9}{found.by_calendar:>9}{found.seconds:>8.1f} s"
    )
    for word in (*found.wrong, *found.split):
        print(f"    not right: {word}")
    for name in found.held:
        may_be = "; ".join(
            f"{p.team_id} ({p.agreeing} agree, {p.likely} may, {p.disputed} differ, {p.against} against,"
            f" {p.similarity} similar)"
            for p in name.proposals
        )
        print(f"    left open: {name.alias.source} {name.alias.name!r}, {name.matches} matches: {may_be or 'nothing'}")


def by_month(rows: Sequence[SourceMatch]) -> Iterator[list[SourceMatch]]:
    in_order = sorted(rows, key=lambda row: row.kickoff_at)
    for _, month in groupby(in_order, key=lambda row: (row.kickoff_at.year, row.kickoff_at.month)):
        yield list(month)


def read(path: Path) -> Sequence[SourceMatch]:
    name, raw = read_file(str(path))
    return detect(raw, name).parse(raw, name).rows


def main() -> None:
    merged, feed = DATA / "football-data/matches_1993_2025.csv.gz", DATA / "whoscored/tournaments_data_feed_202010.json"
    fixtures = sorted(DATA.glob("fixtures/2024-25_*.json"))
    if not merged.exists() or not fixtures:
        print(f"nothing to measure: {merged} and {DATA}/fixtures/2024-25_*.json are missing")
        sys.exit(0)
    theirs = [row for path in fixtures for row in read(path)]
    leagues = {row.tournament for row in theirs}
    all_seasons = [row for row in read(merged) if row.tournament in leagues]
    ours = [row for row in all_seasons if row.season == 2024]
    before_it = [row for row in all_seasons if row.season < 2024]
    months, our_months = list(by_month(theirs)), list(by_month(ours))
    in_turn = [month for both in zip(our_months, months, strict=False) for month in both]
    theirs_first = [month for both in zip(months, our_months, strict=False) for month in both]
    of = sum(map(len, FOOTBALL_DATA_NAME.values()))
    print(f"football-data and openfootball 2024/25, {', '.join(sorted(leagues))}: {of} clubs")
    print(
        f"{'':<62}{'precise':>7}{'recall':>8}{'right':>12}{'wrong':>6}{'split':>6}{'open':>6}{'spelling':>9}{'matches':>9}"
    )
    pair = "openfootball", "football-data"
    for known in (False, True):
        words = "with aliases.csv" if known else "without"
        for what, loads in (
            ("football-data, then openfootball", [ours, theirs]),
            ("openfootball, then football-data", [theirs, ours]),
            ("football-data, then openfootball by months", [ours, *months]),
            (
                "both by months in turn, then again",
                [*in_turn, ours, theirs],
            ),
            ("football-data 1993-2025, then openfootball", [all_seasons, theirs]),
            (
                "football-data 1993-2024, then openfootball first",
                [before_it, *theirs_first, ours, theirs],
            ),
        ):
            tell(f"{words}: {what}", resolve(loads, FOOTBALL_DATA_NAME, pair, known), of)
    measure_tournaments(merged, fixtures, DATA / "results-only/results_2000_2023.csv.gz", feed.parent)
    if not feed.exists():
        print(f"WhoScored not measured: {feed} is missing")
        return
    month = WhoScored().parse(feed.read_bytes(), "month/18685/202010.json").rows
    before = [row for row in all_seasons if row.season == 2020 and row.tournament == "england:premier-league"]
    of = len(WHOSCORED_NAME["england"])
    print(f"WhoScored's month 2020/10 and football-data 2020/21, england:premier-league: {of} clubs")
    for known in (False, True):
        words = "with aliases.csv" if known else "without"
        found = resolve([before, month], WHOSCORED_NAME, ("whoscored", "football-data"), known)
        tell(f"{words}: football-data, then WhoScored", found, of)


if __name__ == "__main__":
    main()
