"""The browser against a site of our own making: what comes of each bad page, and a season read through it.

    python -m tests.measure.measure_browser [table|season]

The season is one league of 380 matches, read month by month as the workflow of backfills asks for it, without pauses; its
match pages are as long as real ones. Says so and ends where there is no chromedriver.
"""

import shutil
import sys
import tempfile
import time
from contextlib import ExitStack, nullcontext
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from matchcast.adapters.browser import open_browser
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.migrate import migrate
from tests.browser.league import short_leagues, whole_season
from tests.browser.site import Page, Site, running
from tests.browser.troubles import troubles
from tests.browser.visits import CONTACT, NOW, Visiting, asking

PAGE_BYTES = 1_240_000
"""Of a real match page."""


def table(folder: Path) -> None:
    """Page, what the broker is answered, event, state of the task, captures kept, matches stored, reason."""
    print("| page | answer, event | task | requests | captures | matches | reason |\n|---|---|---|---|---|---|---|")
    with ExitStack() as leaving:
        site = leaving.enter_context(running(Site(short_leagues(), NOW)))
        browser = leaving.enter_context(open_browser([site.host], CONTACT))
        for number, (name, trouble) in enumerate(troubles(site.url).items()):
            here = folder / str(number)
            here.mkdir()
            site.reset(short_leagues(), NOW)
            site.trouble[trouble.pages] = trouble.change
            with ExitStack() as one:
                visiting = Visiting.of(site, lambda: nullcontext(browser), fresh(here, one), url_of(here), here, one)
                outcome = visiting.visit()
                answer = f"{outcome.status} {outcome.event or 'delivered again'}"
                counts = f"{len(site.paths)} | {len(visiting.captured())} | {len(visiting.stored())}"
                print(f"| {name} | {answer} | {outcome.task} | {counts} | {outcome.problem[:150]} |", flush=True)


def season(folder: Path) -> None:
    """A whole one, then the same again."""
    leagues = whole_season()
    now = datetime(2021, 7, 1, tzinfo=UTC)
    starts = [date(2020 + month // 12, month % 12 + 1, 1) for month in range(7, 18)]
    months = list(pairwise(starts))
    with ExitStack() as leaving:
        site = leaving.enter_context(running(Site(leagues, now)))
        site.trouble["^/matches/[0-9]+/live/"] = longer
        visiting = Visiting.of(
            site, lambda: open_browser([site.host], CONTACT), fresh(folder, leaving), url_of(folder), folder, leaving
        )
        for words in ("first", "again"):
            site.forget()
            started = time.perf_counter()
            inserted = 0
            for first, after in months:
                days = {"from": first.isoformat(), "to": (after - timedelta(days=1)).isoformat(), "tournaments": []}
                outcome = visiting.visit(event=asking(days))
                assert outcome.event == "matches.ingested", outcome
                inserted += outcome.data["counts"]["inserted"]
            seconds = time.perf_counter() - started
            pages = sum(path.startswith("/matches/") and "/live/" not in path for path in site.paths)
            conditional = sum(asked.condition is not None for asked in site.asked)
            print(
                f"season, {words}: {seconds:.1f} s for {len(months)} months, {inserted} matches inserted, "
                f"{len(site.paths)} requests ({pages} for match pages, each led on once; {conditional} conditional), "
                f"at most {site.together} at once; {len(visiting.stats())} with statistics; "
                f"{1000 * seconds / len(site.paths):.0f} ms a request",
                flush=True,
            )


def longer(page: Page) -> Page:
    return Page(page.body + b"<!--" + b"x" * (PAGE_BYTES - len(page.body)) + b"-->", media_type=page.media_type)


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder}/matchcast.db"


def fresh(folder: Path, leaving: ExitStack) -> Database:
    migrate(url_of(folder))
    database = Database(url_of(folder))
    leaving.callback(database.close)
    return database


if __name__ == "__main__":
    if shutil.which("chromedriver") is None:
        sys.exit(print("no chromedriver on PATH: the browser is not measured"))
    with tempfile.TemporaryDirectory() as folder:
        if sys.argv[1:] != ["season"]:
            table(Path(folder))
        if sys.argv[1:] != ["table"]:
            season(Path(folder))
