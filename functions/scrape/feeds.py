"""The sources that the settings name."""

from pathlib import Path

from matchcast.adapters.sources.feeds import DemoFeed, FootballDataFeed, OpenFootballFeed
from matchcast.ports.feeds import Feed
from matchcast.settings import DOWNLOAD, ScrapeSettings


def feeds_of(settings: ScrapeSettings) -> dict[str, Feed]:
    """By name; none has been asked anything yet."""
    found: list[Feed] = []
    if settings.demo_wheel is not None:
        wheel = None if settings.demo_wheel == DOWNLOAD else Path(settings.demo_wheel)
        found.append(DemoFeed(wheel, settings.cache_dir))
    if settings.football_data_url is not None:
        found.append(FootballDataFeed(settings.football_data_url))
    if settings.openfootball_url is not None:
        found.append(OpenFootballFeed(settings.openfootball_url))
    return {feed.name: feed for feed in found}
