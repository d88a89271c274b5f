"""The sources that the settings name."""

from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from matchcast.adapters.sources.feeds import DemoFeed, FootballDataFeed, OpenFootballFeed
from matchcast.adapters.sources.http_get import Asker
from matchcast.errors import BadInput
from matchcast.ports.feeds import Feed
from matchcast.settings import DOWNLOAD, ScrapeSettings


def feeds_of(settings: ScrapeSettings) -> dict[str, Feed]:
    """By name; none has been asked anything yet.

    Raises:
        BadInput: a site is to be visited without a contact.
    """
    found: list[Feed] = []
    asker = Asker(settings.contact, settings.file_seconds)
    if settings.demo_wheel is not None:
        wheel = None if settings.demo_wheel == DOWNLOAD else Path(settings.demo_wheel)
        found.append(DemoFeed(wheel, settings.cache_dir))
    if settings.football_data_url is not None:
        found.append(FootballDataFeed(settings.football_data_url, asker))
    if settings.openfootball_url is not None:
        found.append(OpenFootballFeed(settings.openfootball_url, asker))
    if settings.whoscored_url is not None:
        if settings.contact is None:
            raise BadInput(
                "the environment is not right:\n  MATCHCAST_CONTACT: is missing, and MATCHCAST_WHOSCORED_URL "
                "is set; for example ops@example.org, so that the site can reach you"
            )
        found.append(_whoscored(settings.whoscored_url, settings.contact, settings))
    return {feed.name: feed for feed in found}


def _whoscored(url: str, contact: str, settings: ScrapeSettings) -> Feed:
    # slow to import: only where it is configured
    from matchcast.adapters.browser import open_browser
    from matchcast.adapters.sources.whoscored.visiting import WhoScoredFeed

    browser = partial(open_browser, [urlsplit(url).netloc], contact, settings.browser_url)
    return WhoScoredFeed(url, settings.whoscored_seconds, browser)
