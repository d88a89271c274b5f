"""Outside sources of matches. Each `parse` is pure: bytes in, rows and rejected rows out.

football_data  the CSV files of football-data.co.uk, one season, merged, or an extra league
results_only   plain results (`Sea,Lge,Date,HT,AT,HS,AS,GD,WDL`)
openfootball   fixtures and results as JSON
demo           the matches that the package `premier-league` carries
whoscored      feeds, match pages and lists of WhoScored, as captured
aliases        what these sources call the clubs
tabular        what the CSV sources share
feeds          the sources that are asked over the network; http_get asks for files
captured       what a source answered, read as of the moment it was captured
"""

from datetime import date
from typing import Final

from matchcast.adapters.sources.demo import DemoSource, is_demo
from matchcast.adapters.sources.football_data import FootballData
from matchcast.adapters.sources.openfootball import OpenFootball
from matchcast.adapters.sources.results_only import ResultsOnly
from matchcast.adapters.sources.tabular import header_of
from matchcast.adapters.sources.whoscored import WhoScored
from matchcast.errors import BadSource
from matchcast.ports import Source

SOURCE_NAMES: Final = (FootballData.name, ResultsOnly.name, OpenFootball.name, DemoSource.name, WhoScored.name)


def source_named(name: str, until: date | None = None) -> Source:
    """The source of this name.

    Args:
        until: matches of the demo source on this day or later become fixtures without result.
    Raises:
        BadSource: there is none of this name.
    """
    if name == DemoSource.name:
        return DemoSource(until)
    for source in (FootballData(), ResultsOnly(), OpenFootball(), WhoScored()):
        if source.name == name:
            return source
    raise BadSource(f"source: {name!r} is unknown; take one of {', '.join(SOURCE_NAMES)}, or auto", "source")


def detect(raw: bytes, file_name: str) -> Source:
    """The source whose format this is, told by its columns or keys.

    Raises:
        BadSource: it is none of the formats known.
    """
    if is_demo(raw):
        return DemoSource()
    start = raw[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] in (b"{", b"[", b"<") and WhoScored().recognises(raw):
        return WhoScored()
    if start[:1] in (b"{", b"["):
        return OpenFootball()
    columns = frozenset(header_of(raw, file_name, "a CSV, JSON or HTML file of matches"))
    for source in (FootballData(), ResultsOnly()):
        if source.recognises(columns):
            return source
    raise BadSource(
        f"{file_name}: its columns ({', '.join(sorted(columns)[:6])} …) are none that we know; expected"
        " Div,Date,HomeTeam,AwayTeam,FTHG,FTAG or Country,League,Date,Home,Away,HG,AG or Sea,Lge,Date,HT,AT,HS,AS",
        "columns",
    )
