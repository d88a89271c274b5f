"""One site and one Chromium for all, and the function `scrape` that visits the one with the other."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest

from matchcast.adapters.browser import Browser, open_browser
from matchcast.adapters.database.engine import Database
from tests.browser.league import short_leagues
from tests.browser.site import Site, running
from tests.browser.visits import CONTACT, NOW, Visiting


@pytest.fixture(scope="session")
def standing_site() -> Iterator[Site]:
    with running(Site(short_leagues(), NOW)) as site:
        yield site


@pytest.fixture
def site(standing_site: Site) -> Site:
    """Two leagues in their season, with nothing wrong and nothing asked."""
    standing_site.reset(short_leagues(), NOW)
    return standing_site


@pytest.fixture(scope="session")
def browser(standing_site: Site) -> Iterator[Browser]:
    """A Chromium that may open the site."""
    with open_browser([standing_site.host], CONTACT) as opened:
        yield opened


@pytest.fixture
def database_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    shutil.copy(migrated_sqlite, tmp_path / "matchcast.db")
    return f"sqlite:///{tmp_path}/matchcast.db"


@pytest.fixture
def visiting(site: Site, browser: Browser, database: Database, database_url: str, tmp_path: Path) -> Iterator[Visiting]:
    """The function, with the site as its only source."""
    with ExitStack() as leaving:
        yield Visiting.of(site, lambda: nullcontext(browser), database, database_url, tmp_path, leaving)


@pytest.fixture
def visiting_with(
    site: Site, database: Database, database_url: str, tmp_path: Path
) -> Iterator[Callable[..., Visiting]]:
    """The function, with a browser of one's own."""
    with ExitStack() as leaving:
        yield lambda opener: Visiting.of(site, opener, database, database_url, tmp_path, leaving)
