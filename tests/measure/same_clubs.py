"""Clubs by the names that two sources have for them, reviewed by hand, as lines `the other: football-data`."""

from collections.abc import Mapping
from typing import Final

_ENGLAND: Final = """
AFC Bournemouth: Bournemouth
Arsenal FC: Arsenal
Aston Villa FC: Aston Villa
Blackburn Rovers FC: Blackburn
Brentford FC: Brentford
Brighton & Hove Albion FC: Brighton
Bristol City FC: Bristol City
Burnley FC: Burnley
Cardiff City FC: Cardiff
Chelsea FC: Chelsea
Coventry City FC: Coventry
Crystal Palace FC: Crystal Palace
Derby County FC: Derby
Everton FC: Everton
Fulham FC: Fulham
Hull City AFC: Hull
Ipswich Town FC: Ipswich
Leeds United FC: Leeds
Leicester City FC: Leicester
Liverpool FC: Liverpool
Luton Town FC: Luton
Manchester City FC: Man City
Manchester United FC: Man United
Middlesbrough FC: Middlesbrough
Millwall FC: Millwall
Newcastle United FC: Newcastle
Norwich City FC: Norwich
Nottingham Forest FC: Nott'm Forest
Oxford United FC: Oxford
Plymouth Argyle FC: Plymouth
Portsmouth FC: Portsmouth
Preston North End FC: Preston
Queens Park Rangers FC: QPR
Sheffield United FC: Sheffield United
Sheffield Wednesday FC: Sheffield Weds
Southampton FC: Southampton
Stoke City FC: Stoke
Sunderland AFC: Sunderland
Swansea City AFC: Swansea
Tottenham Hotspur FC: Tottenham
Watford FC: Watford
West Bromwich Albion FC: West Brom
West Ham United FC: West Ham
Wolverhampton Wanderers FC: Wolves
"""

_FRANCE: Final = """
AJ Auxerre: Auxerre
AS Monaco FC: Monaco
AS Saint-Étienne: St Etienne
Angers SCO: Angers
FC Nantes: Nantes
Le Havre AC: Le Havre
Lille OSC: Lille
Montpellier HSC: Montpellier
OGC Nice: Nice
Olympique Lyonnais: Lyon
Olympique de Marseille: Marseille
Paris Saint-Germain FC: Paris SG
RC Strasbourg Alsace: Strasbourg
Racing Club de Lens: Lens
Stade Brestois 29: Brest
Stade Rennais FC 1901: Rennes
Stade de Reims: Reims
Toulouse FC: Toulouse
"""

_GERMANY: Final = """
1. FC Heidenheim 1846: Heidenheim
1. FC Union Berlin: Union Berlin
1. FSV Mainz 05: Mainz
Bayer 04 Leverkusen: Leverkusen
Borussia Dortmund: Dortmund
Borussia Mönchengladbach: M'gladbach
Eintracht Frankfurt: Ein Frankfurt
FC Augsburg: Augsburg
FC Bayern München: Bayern Munich
FC St. Pauli 1910: St Pauli
Holstein Kiel: Holstein Kiel
RB Leipzig: RB Leipzig
SC Freiburg: Freiburg
SV Werder Bremen: Werder Bremen
TSG 1899 Hoffenheim: Hoffenheim
VfB Stuttgart: Stuttgart
VfL Bochum 1848: Bochum
VfL Wolfsburg: Wolfsburg
"""

_ITALY: Final = """
AC Milan: Milan
AC Monza: Monza
ACF Fiorentina: Fiorentina
AS Roma: Roma
Atalanta BC: Atalanta
Bologna FC 1909: Bologna
Cagliari Calcio: Cagliari
Como 1907: Como
Empoli FC: Empoli
FC Internazionale Milano: Inter
Genoa CFC: Genoa
Hellas Verona FC: Verona
Juventus FC: Juventus
Parma Calcio 1913: Parma
SS Lazio: Lazio
SSC Napoli: Napoli
Torino FC: Torino
US Lecce: Lecce
Udinese Calcio: Udinese
Venezia FC: Venezia
"""

_SPAIN: Final = """
Athletic Club: Ath Bilbao
CA Osasuna: Osasuna
CD Leganés: Leganes
Club Atlético de Madrid: Ath Madrid
Deportivo Alavés: Alaves
FC Barcelona: Barcelona
Getafe CF: Getafe
Girona FC: Girona
RC Celta de Vigo: Celta
RCD Espanyol de Barcelona: Espanol
RCD Mallorca: Mallorca
Rayo Vallecano de Madrid: Vallecano
Real Betis Balompié: Betis
Real Madrid CF: Real Madrid
Real Sociedad de Fútbol: Sociedad
Real Valladolid CF: Valladolid
Sevilla FC: Sevilla
UD Las Palmas: Las Palmas
Valencia CF: Valencia
Villarreal CF: Villarreal
"""


def _pairs(text: str) -> Mapping[str, str]:
    return dict(line.split(": ", 1) for line in text.strip().splitlines())


FOOTBALL_DATA_NAME: Final[Mapping[str, Mapping[str, str]]] = {
    "england": _pairs(_ENGLAND),
    "france": _pairs(_FRANCE),
    "germany": _pairs(_GERMANY),
    "italy": _pairs(_ITALY),
    "spain": _pairs(_SPAIN),
}
"""By country: openfootball's name to football-data's, in 2024/25."""

_WHOSCORED: Final = """
Arsenal: Arsenal
Aston Villa: Aston Villa
Brighton: Brighton
Burnley: Burnley
Chelsea: Chelsea
Crystal Palace: Crystal Palace
Everton: Everton
Fulham: Fulham
Leeds: Leeds
Leicester: Leicester
Liverpool: Liverpool
Manchester City: Man City
Manchester United: Man United
Newcastle: Newcastle
Sheffield United: Sheffield United
Southampton: Southampton
Tottenham: Tottenham
West Bromwich Albion: West Brom
West Ham: West Ham
Wolves: Wolves
"""

WHOSCORED_NAME: Final[Mapping[str, Mapping[str, str]]] = {"england": _pairs(_WHOSCORED)}
"""By country: WhoScored's name to football-data's, in 2020/21."""
