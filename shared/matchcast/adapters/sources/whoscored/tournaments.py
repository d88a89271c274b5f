"""What the site calls the tournaments that we know, now or in earlier years: for answers that tell no id."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from matchcast.adapters.sources.tabular import Refused
from matchcast.adapters.sources.whoscored.reading import NAME
from matchcast.domain.competitions import COMPETITION_BY_CODE, Competition
from matchcast.domain.names import fold_name

_NAMES: Final[tuple[tuple[int, str, tuple[str, ...]], ...]] = (
    (281, "Algeria", ("Ligue Professionnelle 1", "Championnat National")),
    (68, "Argentina", ("Liga Profesional", "Primera División", "Superliga")),
    (194, "Australia", ("A-League",)),
    (32, "Austria", ("Bundesliga", "T-Mobile Bundesliga")),
    (18, "Belgium", ("Jupiler Pro League", "Jupiler League")),
    (95, "Brazil", ("Brasileirão",)),
    (269, "Brazil", ("Serie B",)),
    (162, "China", ("Super League",)),
    (1, "Denmark", ("Superliga",)),
    (192, "Ecuador", ("Serie A",)),
    (2, "England", ("Premier League",)),
    (7, "England", ("Championship",)),
    (8, "England", ("League One", "League 1")),
    (9, "England", ("League Two", "League 2")),
    (70, "England", ("National League Premier",)),
    (43, "Finland", ("Veikkausliiga",)),
    (22, "France", ("Ligue 1",)),
    (37, "France", ("Ligue 2",)),
    (320, "France", ("National",)),
    (3, "Germany", ("Bundesliga",)),
    (6, "Germany", ("2. Bundesliga",)),
    (308, "Germany", ("3. Liga",)),
    (65, "Greece", ("Super League",)),
    (113, "Ireland", ("Premier Division",)),
    (97, "Israel", ("Ligat ha'Al",)),
    (5, "Italy", ("Serie A",)),
    (19, "Italy", ("Serie B",)),
    (150, "Japan", ("J- League", "J. League", "J. League 1")),
    (324, "Japan", ("J. League 2",)),
    (103, "Mexico", ("Liga MX",)),
    (291, "Morocco", ("Botola Pro", "GNF 1")),
    (13, "Netherlands", ("Eredivisie",)),
    (41, "Norway", ("Eliteserien", "Tippeligaen")),
    (76, "Poland", ("Ekstraklasa",)),
    (21, "Portugal", ("Liga Portugal", "Liga NOS")),
    (121, "Romania", ("Superliga", "Liga I")),
    (77, "Russia", ("Premier League",)),
    (257, "Russia", ("First League", "Football National League")),
    (20, "Scotland", ("Premiership",)),
    (71, "Scotland", ("Championship", "Scottish Championship")),
    (72, "Scotland", ("League One", "Scottish League One")),
    (73, "Scotland", ("League Two", "Scottish League 2")),
    (278, "South Africa", ("Premier Soccer League",)),
    (387, "South Korea", ("K League 1", "K. League")),
    (4, "Spain", ("LaLiga", "La Liga")),
    (63, "Spain", ("Segunda División",)),
    (40, "Sweden", ("Allsvenskan",)),
    (33, "Switzerland", ("Super League",)),
    (276, "Tunisia", ("Ligue 1", "Ligue Professionnelle 1")),
    (17, "Turkey", ("Super Lig",)),
    (85, "USA", ("Major League Soccer",)),
    (237, "Venezuela", ("Primera Division",)),
)

ID_BY_NAME: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {(fold_name(region), fold_name(name)): str(number) for number, region, names in _NAMES for name in names}
)
"""The id by region and name, folded."""


def competition_named(region: str | None, tournament: str | None) -> Competition:
    """The competition that the site calls so.

    Raises:
        Refused: we do not know it.
    """
    region, tournament = region or "?", tournament or "?"
    code = ID_BY_NAME.get((fold_name(region), fold_name(tournament)))
    competition = None if code is None else COMPETITION_BY_CODE.get((NAME, code))
    if competition is None:
        raise Refused(
            f"tournament {region[:40]}, {tournament[:80]} is none we know; add its id to domain/competitions.py and its"
            " name to whoscored/tournaments.py if its matches are wanted"
        )
    return competition
