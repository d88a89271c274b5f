"""How well tournaments are found whose codes we do not know: simulated by forgetting a source's codes."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple
from unittest import mock

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.match_store import SqlMatchStore
from matchcast.adapters.database.migrate import migrate
from matchcast.adapters.files import read_file
from matchcast.adapters.sources import detect, openfootball, results_only
from matchcast.adapters.sources.aliases import committed_aliases
from matchcast.adapters.sources.whoscored import WhoScored, reading
from matchcast.domain.competitions import COMPETITION_BY_CODE
from matchcast.domain.match import SourceMatch
from matchcast.ports import Parsed
from matchcast.ports.tournaments import HeldTournament
from matchcast.usecases import tournaments
from matchcast.usecases.ingest import ParsedFile, ingest
from matchcast.usecases.tournament_review import held_tournaments

_NOW: Final = datetime(2025, 6, 1, tzinfo=UTC)
_SEASON: Final = 2018


class Found(NamedTuple):
    """What became of the tournaments told: `right` and `wrong` of those settled."""

    right: Sequence[str]
    wrong: Sequence[str]
    held: Sequence[HeldTournament]
    seconds: float


@contextmanager
def forgotten(source: str) -> Iterator[None]:
    """We know no code of this source."""
    left = {key: competition for key, competition in COMPETITION_BY_CODE.items() if key[0] != source}
    with ExitStack() as patches:
        for module in (openfootball, results_only, reading, tournaments):
            patches.enter_context(mock.patch.object(module, "COMPETITION_BY_CODE", left))
        yield


def find(ours: Sequence[SourceMatch], told: Sequence[Parsed], *, known: bool) -> Found:
    """Load ours, then what another source tells.

    Args:
        known: with the committed names of clubs.
    """
    committed = committed_aliases() if known else []
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/measured.db"
        migrate(url)
        database = Database(url)
        store = SqlMatchStore(database)
        ingest([ParsedFile("ours", Parsed(ours, []))], store, committed, _NOW)
        started = time.perf_counter()
        report = ingest([ParsedFile(str(n), parsed) for n, parsed in enumerate(told)], store, committed, _NOW)
        seconds = time.perf_counter() - started
        held = held_tournaments(store, committed)
        database.close()
    right, wrong = list[str](), list[str]()
    for alias in report.settled_tournaments:
        expected = COMPETITION_BY_CODE[alias.source, alias.code].id
        (right if alias.tournament_id == expected else wrong).append(f"{alias.told_as} = {alias.tournament_id}")
    return Found(right, wrong, held, seconds)


def tell(what: str, found: Found, of: int) -> None:
    settled = len(found.right) + len(found.wrong)
    precision = f"{len(found.right) / settled:7.1%}" if settled else "      -"
    recall = f"{len(found.right) / of:8.1%}" if of else "       -"
    counts = f"{len(found.right):>4} of {of:<3}{len(found.wrong):>6}{len(found.held):>6}"
    print(f"{what:<78}{precision}{recall}{counts}{found.seconds:>7.1f} s")
    for words in found.wrong:
        print(f"    not right: {words}")
    for alias, matches, proposals in found.held:
        may_be = "; ".join(
            f"{p.tournament_id} ({p.agreeing} agree, {p.likely} may, {p.against} against, {p.similarity} similar)"
            for p in proposals
        )
        print(f"    left open: {alias.told_as} {alias.name!r}, {matches} matches: {may_be or 'nothing'}")


def measure(merged: Path, fixtures: Sequence[Path], results: Path, captures: Path) -> None:
    """Print the table.

    Args:
        merged: football-data's seasons; the others are told by sources whose codes are forgotten, as far as they exist.
    """
    ours = _read(merged).rows
    print(
        f"{'tournaments whose codes are forgotten':<78}{'precise':>7}{'recall':>8}{'right':>10}{'wrong':>6}{'open':>6}"
    )
    with forgotten("openfootball"):
        told = [_read(path) for path in fixtures]
    leagues = {COMPETITION_BY_CODE["openfootball", t.codes[0][1]].id for parsed in told for t in parsed.tournaments}
    played = [row for row in ours if row.season == 2024 and row.tournament in leagues]
    with forgotten("openfootball"):
        for known in (False, True):
            words = "with aliases.csv" if known else "without"
            tell(f"{words}: openfootball 2024/25 beside football-data", find(played, told, known=known), len(leagues))
            others = [row for row in played if row.tournament not in ("england:premier-league", "spain:la-liga")]
            tell(f"{words}: the same, two of the leagues not stored", find(others, told, known=known), len(leagues) - 2)
    if results.exists():
        with forgotten("results-only"):
            parsed = _read(results)
            rows = [row for row in parsed.rows if row.season == _SEASON]
            season = [row for row in ours if row.season == _SEASON]
            written = {row.tournament.partition(":")[2] for row in rows}
            both = {COMPETITION_BY_CODE["results-only", code].id for code in written} & {r.tournament for r in season}
            for known in (False, True):
                words = "with aliases.csv" if known else "without"
                what = f"{words}: results-only {_SEASON}/{_SEASON - 1999}, {len(written)} leagues, beside football-data"
                tell(what, find(season, [parsed._replace(rows=rows)], known=known), len(both))
    feed, page = captures / "tournaments_data_feed_202010.json", captures / "match_page_1650630.html"
    if feed.exists() and page.exists():
        before = [
            r for r in ours if (r.tournament, r.season) in (("england:premier-league", 2020), ("spain:la-liga", 2022))
        ]
        with forgotten("whoscored"):
            told = [WhoScored().parse(path.read_bytes(), path.name) for path in (feed, page)]
            for known in (False, True):
                words = "with aliases.csv" if known else "without"
                what = f"{words}: WhoScored's month 2020/10 and a page of a match"
                tell(what, find(before, told, known=known), 2)


def _read(path: Path) -> Parsed:
    name, raw = read_file(str(path))
    return detect(raw, name).parse(raw, name)
