"""Answers shaped like WhoScored's, of our own making."""

import json
from typing import Any


def match(number: int = 101, **told: Any) -> dict[str, Any]:
    """A match of a feed: played, 2-1."""
    return {
        "id": number,
        "status": 6,
        "elapsed": "FT",
        "startTimeUtc": "2020-10-03T11:30:00Z",
        "homeTeamId": 1,
        "homeTeamName": "Ashford Rovers",
        "awayTeamId": 2,
        "awayTeamName": "Bexley Town",
        "homeScore": 2,
        "awayScore": 1,
        "homeExtratimeScore": None,
        "awayExtratimeScore": None,
        "homePenaltyScore": None,
        "awayPenaltyScore": None,
        "homeYellowCards": 3,
        "homeRedCards": 0,
        "awayYellowCards": 1,
        "awayRedCards": 1,
        "incidents": [],
        "bets": None,
    } | told


def tournament(*matches: dict[str, Any], **told: Any) -> dict[str, Any]:
    """An entry of a feed: England's first league in 2020/2021."""
    return {
        "tournamentId": 2,
        "tournamentName": "Premier League",
        "regionName": "England",
        "stageId": 18685,
        "stageName": "Premier League",
        "seasonName": "2020/2021",
        "sex": 1,
        "isOpta": True,
        "matches": list(matches),
    } | told


def feed(*tournaments: dict[str, Any]) -> bytes:
    return json.dumps({"createdAt": "2025-01-01T00:00:00Z", "tournaments": list(tournaments)}).encode()


def one(**told: Any) -> bytes:
    """A feed of one match."""
    return feed(tournament(match(**told)))


def goal(field: int, period: int | None, minute: int | None = None) -> dict[str, Any]:
    minute = {1: 20, 3: 70}.get(period or 0, 100) if minute is None else minute
    return {"type": 1, "subType": 1, "minute": str(minute), "field": field, "period": period}


def event(kind: str, period: int = 1, card: str | None = None, **told: Any) -> dict[str, Any]:
    made = {"type": {"displayName": kind, "value": 1}, "period": {"displayName": "Half", "value": period}}
    return made | ({} if card is None else {"cardType": {"displayName": card, "value": 31}}) | told


def side(name: str, **told: Any) -> dict[str, Any]:
    """A club of a match centre: 5 shots, 3 on target, 2 corners, 4 fouls."""
    return {
        "name": name,
        "teamId": 1,
        "stats": {
            "touches": {"1": 20.0},
            "shotsTotal": {"3": 2.0, "50": 1, "96": 2},
            "shotsOnTarget": {"3": 2, "96": 1},
            "cornersTotal": {"7": 2},
            "foulsCommited": {"1": 1, "44": 3},
        },
        "incidentEvents": [event("Card", 1, "Yellow"), event("SubstitutionOff", 2)],
    } | told


def centre(**told: Any) -> dict[str, Any]:
    """A match centre: 1-0 after 90 minutes."""
    return {
        "home": side("Ashford Rovers"),
        "away": side("Bexley"),
        "statusCode": 6,
        "elapsed": "FT",
        "startTime": "2021-01-12T20:15:00",
        "score": "1 : 0",
        "htScore": "0 : 0",
        "ftScore": "1 : 0",
        "etScore": "",
        "pkScore": "",
        "referee": {"officialId": 7, "firstName": "Mary", "lastName": "Whistle", "name": "Mary  Whistle"},
        "expandedMinutes": {"1": {"0": 0, "45": 47}, "2": {"46": 48, "90": 95}},
        "events": [],
    } | told


HEADER = (
    "[1,2,'Ashford Rovers','Bexley Town','12/01/2021 20:15:00','12/01/2021 00:00:00',6,'FT','0 : 0','1 : 0',,,'1 : 0',"
    "'England','England']"
)


def page(
    told: dict[str, Any] | None,
    number: int = 201,
    header: str | None = HEADER,
    tournament_id: int = 2,
    season: str = "2020/2021",
) -> bytes:
    """A match page around a match centre."""
    shown = (
        ""
        if header is None
        else f"require.config.params['matchheader'] = {{\n input: {header}\n,\n matchId: {number} }};"
    )
    return f"""<!DOCTYPE html><html><head><title>A match</title>
        <script src="/_Incapsula_Resource?SWJIYLWA=1"></script></head><body>
        <div id="breadcrumb-nav"><span class="flg">England</span><span class="separator">&raquo;</span>
        <a href="/Regions/252/Tournaments/{tournament_id}/Seasons/8228/england">
            Premier League - {season}
        </a></div>
        <script>require.config.params.site.x = []; {shown}</script>
        <script>require.config.params["args"] = {{
            matchId:{number},
            matchCentreData: {json.dumps(told)},
            matchCentreEventTypeJson: {{"shotSixYardBox":0}},
            formationIdNameMappings: {{}}
        }};</script></body></html>""".encode()


def plain_page() -> bytes:
    """A match page of a match that is not followed closely: it has no match centre."""
    return page(None).replace(
        b"matchCentreData: null",
        b"initialMatchDataForScrappers: [[[1,2,'Ashford Rovers','Bexley Town','12/01/2021 20:15:00']]]",
    )


def mobile(number: int = 301, **info: Any) -> dict[str, Any]:
    """A match of the old mobile API: 2-1 after 90 minutes."""
    return {
        "id": number,
        "lastModified": "2017-08-01T03:26:00.7282496Z",
        "info": {
            "tournamentName": "Premier League",
            "regionName": "England",
            "stageId": 1,
            "homeName": "Ashford Rovers",
            "awayName": "Bexley Town",
            "status": 6,
            "period": 7,
            "elapsed": "FT",
            "homeScore": 2,
            "awayScore": 1,
            "periodResults": "HT 1:0 - FT 2:1",
            "startTimeUtc": "2016-03-16T19:45:00.0000000Z",
        }
        | info,
        "liveMatch": {
            "incidentTimeline": [
                {"minute": 5, "homeIncidents": [{"type": 2, "subType": 1}], "awayIncidents": [{"type": 1, "subType": 1}]},
                {"minute": 60, "homeIncidents": [{"type": 2, "subType": 2}], "awayIncidents": [{"type": 2, "subType": 3}]},
            ],
            "liveStatistics": {
                "home": {"stats": {"shots": 9, "shotsOnTarget": 4, "corners": 6}},
                "away": {"stats": {"shots": 7, "shotsOnTarget": 2, "corners": 1}},
            },
        },
        "postMatch": {
            "matchStats": {"cardsAndFouls": [{"type": 1, "home": 1, "away": 1}, {"type": 2, "home": 2, "away": 0},
                                             {"type": 3, "home": 11, "away": 13}]}
        },
    }  # fmt: skip


TIERS = json.dumps(
    [
        {"id": 252, "name": "England", "tournaments": [
            {"id": 2, "name": "Premier League", "url": "/regions/252/tournaments/2/england-premier-league", "sortOrder": 1},
            {"id": 7, "name": "Championship", "url": "/regions/252/tournaments/7/england-championship", "sortOrder": 2}]},
        {"id": 1, "name": "Nowhere", "tournaments": []},
    ]
).encode()  # fmt: skip

CALENDAR = json.dumps(
    {"stageId": 5, "mask": {"2021": {"0": {"2": 1, "31": 1}}, "2020": {"11": {"26": 1, "27": 0}}}}
).encode()

TOURNAMENT = b"""<html><head><title>League</title></head><body>
    <a href="/regions/9/tournaments/44/seasons/12/stages/999/other">another league</a>
    <select id="seasons" name="seasons"><option value="/Regions/252/Tournaments/7/Seasons/900/x" selected="selected">2020/2021
    </option><option value="/Regions/252/Tournaments/7/Seasons/800/x">2019/2020</option></select>
    <span><select id="stages" name="stages"><option value="/Regions/252/Tournaments/7/Seasons/900/Stages/31/x">Champion&#39;ship
    </option><option value='/Regions/252/Tournaments/7/Seasons/900/Stages/32/x'>Play-offs</option></select></span>
    </body></html>"""
