"""The competitions we know, and what each source calls them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Competition:
    """A league.

    Attributes:
        id: canonical id, `country:league`.
        name: as people say it.
        country: lower-case English name; clubs belong to it.
        level: 1 for the top division.
        season_starts_in: month (1-12) in which a season begins.
        codes: (source, code) pairs.
    """

    id: str
    name: str
    country: str
    level: int
    season_starts_in: int
    codes: tuple[tuple[str, str], ...]

    def season_of(self, day: date) -> int:
        """Calendar year in which the season that `day` falls into began."""
        return day.year if day.month >= self.season_starts_in else day.year - 1


def _league(country: str, slug: str, name: str, level: int, starts: int, football_data: str = "", results_only: str = "",
            openfootball: str = "", premier_league: str = "", whoscored: str = "") -> Competition:  # fmt: skip
    codes = (
        ("football-data", football_data),
        ("results-only", results_only),
        ("openfootball", openfootball),
        ("demo", premier_league),
        ("whoscored", whoscored),
    )
    return Competition(f"{country}:{slug}", name, country, level, starts, tuple(c for c in codes if c[1]))


COMPETITIONS: Final[tuple[Competition, ...]] = (
    _league("england", "premier-league", "Premier League", 1, 7, "E0", "ENG1", "en.1", "Premier League", whoscored="2"),
    _league("england", "championship", "Championship", 2, 7, "E1", "ENG2", "en.2", "EFL Championship", whoscored="7"),
    _league("england", "league-one", "League One", 3, 7, "E2", "ENG3", "en.3", whoscored="8"),
    _league("england", "league-two", "League Two", 4, 7, "E3", "ENG4", "en.4", whoscored="9"),
    _league("england", "national-league", "National League", 5, 7, "EC", "ENG5", whoscored="70"),
    _league("germany", "bundesliga", "Bundesliga", 1, 7, "D1", "GER1", "de.1", "Fußball-Bundesliga", whoscored="3"),
    _league("germany", "2-bundesliga", "2. Bundesliga", 2, 7, "D2", "GER2", "de.2", whoscored="6"),
    _league("germany", "3-liga", "3. Liga", 3, 7, "", "GER3", "de.3", whoscored="308"),
    _league("spain", "la-liga", "La Liga", 1, 7, "SP1", "SPA1", "es.1", "La Liga", whoscored="4"),
    _league("spain", "segunda-division", "Segunda División", 2, 7, "SP2", "SPA2", "es.2", whoscored="63"),
    _league("italy", "serie-a", "Serie A", 1, 7, "I1", "ITA1", "it.1", "Serie A", whoscored="5"),
    _league("italy", "serie-b", "Serie B", 2, 7, "I2", "ITA2", "it.2", whoscored="19"),
    _league("france", "ligue-1", "Ligue 1", 1, 7, "F1", "FRA1", "fr.1", "Ligue 1", whoscored="22"),
    _league("france", "ligue-2", "Ligue 2", 2, 7, "F2", "FRA2", "fr.2", whoscored="37"),
    _league("france", "national", "National", 3, 7, "", "FRA3", whoscored="320"),
    _league("scotland", "premiership", "Premiership", 1, 7, "SC0", "SCO1", whoscored="20"),
    _league("scotland", "championship", "Championship", 2, 7, "SC1", "SCO2", whoscored="71"),
    _league("scotland", "league-one", "League One", 3, 7, "SC2", "SCO3", whoscored="72"),
    _league("scotland", "league-two", "League Two", 4, 7, "SC3", "SCO4", whoscored="73"),
    _league("netherlands", "eredivisie", "Eredivisie", 1, 7, "N1", "HOL1", "nl.1", whoscored="13"),
    _league("belgium", "pro-league", "Pro League", 1, 7, "B1", "BEL1", "be.1", whoscored="18"),
    _league("portugal", "primeira-liga", "Primeira Liga", 1, 7, "P1", "POR1", "pt.1", whoscored="21"),
    _league("turkey", "super-lig", "Süper Lig", 1, 7, "T1", "", "tr.1", whoscored="17"),
    _league("greece", "super-league", "Super League", 1, 7, "G1", "GRE1", "gr.1", whoscored="65"),
    _league("argentina", "primera-division", "Primera División", 1, 7, "ARG", "ARG1", whoscored="68"),
    _league("austria", "bundesliga", "Bundesliga", 1, 7, "AUT", "AUT1", "at.1", whoscored="32"),
    _league("brazil", "serie-a", "Série A", 1, 3, "BRA", "BRA1", whoscored="95"),
    _league("brazil", "serie-b", "Série B", 2, 3, "", "BRA2", whoscored="269"),
    _league("china", "super-league", "Super League", 1, 2, "CHN", "CHN1", whoscored="162"),
    _league("denmark", "superliga", "Superliga", 1, 7, "DNK", "DNK1", whoscored="1"),
    _league("finland", "veikkausliiga", "Veikkausliiga", 1, 2, "FIN", "FIN1", whoscored="43"),
    _league("ireland", "premier-division", "Premier Division", 1, 2, "IRL", whoscored="113"),
    _league("japan", "j1-league", "J1 League", 1, 2, "JPN", "JPN1", whoscored="150"),
    _league("japan", "j2-league", "J2 League", 2, 2, "", "JPN2", whoscored="324"),
    _league("mexico", "liga-mx", "Liga MX", 1, 7, "MEX", "MEX1", whoscored="103"),
    _league("norway", "eliteserien", "Eliteserien", 1, 2, "NOR", "NOR1", whoscored="41"),
    _league("poland", "ekstraklasa", "Ekstraklasa", 1, 7, "POL", whoscored="76"),
    _league("romania", "liga-1", "Liga 1", 1, 7, "ROU", whoscored="121"),
    _league("russia", "premier-league", "Premier League", 1, 7, "RUS", "RUS1", whoscored="77"),
    _league("russia", "first-league", "First League", 2, 7, "", "RUS2", whoscored="257"),
    _league("sweden", "allsvenskan", "Allsvenskan", 1, 2, "SWE", "SWE1", whoscored="40"),
    _league("switzerland", "super-league", "Super League", 1, 7, "SWZ", "CHE1", whoscored="33"),
    _league("usa", "mls", "Major League Soccer", 1, 2, "USA", "USA1", whoscored="85"),
    _league("usa", "second-division", "Second Division", 2, 2, "", "USA2"),
    _league("algeria", "ligue-1", "Ligue 1", 1, 8, "", "DZA1", whoscored="281"),
    _league("australia", "a-league", "A-League", 1, 8, "", "AUS1", whoscored="194"),
    _league("chile", "primera-division", "Primera División", 1, 1, "", "CHL1"),
    _league("ecuador", "serie-a", "Serie A", 1, 1, "", "ECU1", whoscored="192"),
    _league("israel", "premier-league", "Premier League", 1, 7, "", "ISR1", whoscored="97"),
    _league("korea", "k-league-1", "K League 1", 1, 2, "", "KOR1", whoscored="387"),
    _league("morocco", "botola", "Botola", 1, 8, "", "MAR1", whoscored="291"),
    _league("new-zealand", "premiership", "Premiership", 1, 9, "", "NZL1"),
    _league("south-africa", "premier-division", "Premier Division", 1, 7, "", "ZAF1", whoscored="278"),
    _league("tunisia", "ligue-1", "Ligue 1", 1, 8, "", "TUN1", whoscored="276"),
    _league("venezuela", "primera-division", "Primera División", 1, 1, "", "VEN1", whoscored="237"),
)

COMPETITION_BY_ID: Final[Mapping[str, Competition]] = MappingProxyType({c.id: c for c in COMPETITIONS})
COMPETITION_BY_CODE: Final[Mapping[tuple[str, str], Competition]] = MappingProxyType(
    {code: c for c in COMPETITIONS for code in c.codes}
)
COUNTRIES: Final = frozenset(c.country for c in COMPETITIONS)

_LETTERS: Final = re.compile(r"[A-Za-z]+(?=\W?\d|$)")
_COUNTRY_BY_LETTERS: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {(source, m[0]): c.country for c in COMPETITIONS for source, code in c.codes if (m := _LETTERS.match(code))}
)


@lru_cache(maxsize=1024)
def unknown_competition(source: str, code: str, name: str, country: str | None) -> Competition | None:
    """What stands for a tournament of a source that we do not know, until it is found to be one that we do.

    Its id is `SOURCE:CODE` and its seasons are calendar years; `usecases.tournaments` puts that right.

    Args:
        country: None where only the letters of the code tell it.
    Returns:
        None where it is not of a country that we know, and so none of our tournaments.
    """
    if country is None:
        letters = _LETTERS.match(code)
        country = _COUNTRY_BY_LETTERS.get((source, letters[0])) if letters else None
    if country not in COUNTRIES:
        return None
    return Competition(f"{source}:{code}", name, country, 0, 1, ((source, code),))


BIG_FIVE: Final = (
    "england:premier-league",
    "germany:bundesliga",
    "spain:la-liga",
    "italy:serie-a",
    "france:ligue-1",
)
