"""A site with pages like WhoScored's, of our own making, and what can be wrong with such a site.

It runs in a thread, and notes each request: what was asked, by whom, and how many at once.
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from tests.browser.league import Game, League

_LONDON = ZoneInfo("Europe/London")


@dataclass(frozen=True)
class Page:
    """What is answered.

    Attributes:
        wait: seconds before anything is sent.
        sent: how many bytes of the body are; the connection is then closed.
    """

    body: bytes
    status: int = 200
    media_type: str = "text/html; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    wait: float = 0
    sent: int | None = None


@dataclass(frozen=True)
class Asked:
    """A request for a page or a feed (pictures, scripts and styles are not noted)."""

    path: str
    agent: str
    condition: str | None
    at: float


@dataclass
class Site:
    """The pages, as they are at `now`.

    Attributes:
        trouble: what happens to the pages whose path matches a pattern.
        together: the most requests that were in work at one time.
    """

    leagues: Sequence[League]
    now: datetime
    trouble: dict[str, Callable[[Page], Page]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    together: int = 0
    elsewhere: list[str] = field(default_factory=list)
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _working: int = 0

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def reset(self, leagues: Sequence[League], now: datetime) -> None:
        """As new, on the same port."""
        self.leagues, self.now = leagues, now
        self.trouble.clear()
        self.forget()

    def forget(self) -> None:
        self.asked.clear()
        self.elsewhere.clear()
        self.together = 0

    def answer(self, path: str, agent: str, condition: str | None) -> Page:
        with self._lock:
            self._working += 1
            self.together = max(self.together, self._working)
            self.asked.append(Asked(path, agent, condition, time.monotonic()))
        try:
            page = self._page(path)
            for pattern, change in self.trouble.items():
                if re.search(pattern, path):
                    page, condition = change(page), None
            time.sleep(page.wait)
            tag = f'"{hashlib.sha256(page.body).hexdigest()[:16]}"'
            if page.status != 200:
                return page
            if condition == tag:
                return Page(b"", 304, page.media_type, (("ETag", tag),))
            return Page(page.body, 200, page.media_type, (*page.headers, ("ETag", tag)), 0, page.sent)
        finally:
            with self._lock:
                self._working -= 1

    def _page(self, url: str) -> Page:
        parts = urlsplit(url)
        path = parts.path.lower()
        day = parse_qs(parts.query).get("d", [""])[0]
        if path == "/":
            return _html(self._front())
        if path == "/livescores/data":
            return _json(self._feed(lambda league, game: f"{game.kickoff_at:%Y%m%d}" == day))
        if found := re.fullmatch(r"/tournaments/(\d+)/data/", path):
            stage = int(found[1])
            return _json(self._feed(lambda league, game: league.stage_id == stage and f"{game.kickoff_at:%Y%m}" == day))
        if found := re.fullmatch(r"/matches/(\d+)/live(/.*)?", path):
            return self._match(int(found[1]), found[2])
        for league in self.leagues:
            if path.startswith(league.path + "/"):
                return _html(self._calendar(league) if "/stages/" in path else self._tournament(league))
        return Page(b"<html><body><h1>Not here</h1></body></html>", 404)

    def _front(self) -> str:
        regions = [
            f"{{type:0, id:{league.region_id}, flg:'flg', name: '{league.region}', tournaments: "
            f"[{{id:{league.tournament_id}, url:'{league.path}/{league.slug}', name:'{league.name}', sortOrder:1}}]}}"
            for league in self.leagues
        ]
        return (
            "<h1>Live scores</h1><img src='/logo.png'><script src='/site.js'></script>"
            "<script async src='http://ads.example.net/count.js'></script>"
            f"<script>var allRegions = [{', '.join(regions)}];</script>"
        )

    def _tournament(self, league: League) -> str:
        season = f"{league.path}/seasons/{league.season_id}"
        return (
            f"<h1>{league.name}</h1><select id='seasons'><option value='{season}/{league.slug}' selected='selected'>"
            f"{league.season}</option></select>"
            f"<a href='{season}/stages/{league.stage_id}/fixtures/{league.slug}'>Fixtures</a>"
        )

    def _calendar(self, league: League) -> str:
        mask: dict[int, dict[int, dict[int, int]]] = {}
        for game in league.games:
            at = game.kickoff_at
            mask.setdefault(at.year, {}).setdefault(at.month - 1, {})[at.day] = 1
        years = ", ".join(
            f"{year}: {{{', '.join(f'{month}: {json.dumps(days)}' for month, days in months.items())}}}"
            for year, months in mask.items()
        )
        first, last = league.games[0].kickoff_at, league.games[-1].kickoff_at
        return (
            f"<h1>{league.name}: fixtures</h1><script>var wsCalendar = {{stageId: {league.stage_id}, mask: {{{years}}}, "
            f"min: new Date({first.year}, {first.month - 1}, {first.day}), "
            f"max: new Date({last.year}, {last.month - 1}, {last.day})}};</script>"
        )

    def _feed(self, wanted: Callable[[League, Game], bool]) -> dict[str, Any]:
        found = []
        for league in self.leagues:
            games = [game for game in league.games if wanted(league, game)]
            if games:
                found.append(
                    {
                        "tournamentId": league.tournament_id, "stageId": league.stage_id, "stageName": league.name,
                        "regionId": league.region_id, "tournamentName": league.name, "seasonName": league.season,
                        "seasonId": league.season_id, "sex": 1, "regionName": league.region, "isOpta": True,
                        "matches": [self._told(league, game) for game in games],
                    }
                )  # fmt: skip
        return {"tournaments": found}

    def _told(self, league: League, game: Game) -> dict[str, Any]:
        status = game.status_at(self.now)
        played = status == 6
        return {
            "stageId": league.stage_id, "id": game.id, "status": status,
            "startTime": (game.kickoff_at + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S"),
            "startTimeUtc": game.kickoff_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "homeTeamName": game.home, "awayTeamName": game.away,
            "homeYellowCards": game.yellows[0] if played else 0, "awayYellowCards": game.yellows[1] if played else 0,
            "homeRedCards": 0, "awayRedCards": 0,
            "elapsed": {6: "FT", 2: "Post", 5: "Abd", 7: "Can", 3: "61"}.get(status, ""),
            "homeScore": game.goals[0] if played else None, "awayScore": game.goals[1] if played else None,
            "incidents": [], "period": 7 if played else 0,
        }  # fmt: skip

    def _match(self, number: int, slug: str | None) -> Page:
        for league in self.leagues:
            for game in league.games:
                if game.id == number and slug is None:
                    return Page(b"", 302, headers=(("Location", f"/matches/{number}/live/{league.slug}"),))
                if game.id == number:
                    return _html(_centre_page(league, game))
        return Page(b"<html><body><h1>No such match</h1></body></html>", 404)


def _centre_page(league: League, game: Game) -> str:
    def side(which: int) -> dict[str, Any]:
        cards = [{"cardType": {"value": 31, "displayName": "Yellow"}}] * game.yellows[which]
        goals = [{"type": {"value": 16, "displayName": "Goal"}}] * game.goals[which]
        return {
            "name": (game.home, game.away)[which],
            "stats": {
                "shotsTotal": {"10": game.shots[which]}, "shotsOnTarget": {"10": game.on_target[which]},
                "cornersTotal": {"20": 5.0}, "foulsCommited": {"30": 9.0}, "touches": {"1": 11.0},
            },
            "incidentEvents": cards + goals,
        }  # fmt: skip

    score = f"{game.goals[0]} : {game.goals[1]}"
    local = game.kickoff_at.astimezone(_LONDON).strftime("%Y-%m-%dT%H:%M:%S")
    centre = {
        "home": side(0), "away": side(1), "statusCode": 6, "startTime": local, "elapsed": "FT", "score": score,
        "ftScore": score, "referee": {"name": f"R. Whistler {game.id % 7}"},
    }  # fmt: skip
    return (
        f"<div id='breadcrumb-nav'><span>{league.region}</span> <a href='{league.path}/seasons/{league.season_id}/x'>"
        f"{league.name} - {league.season}</a></div>"
        f'<script>require = {{config: {{params: {{}}}}}}; require.config.params["args"] = {{ matchId:{game.id}, '
        f"matchCentreData: {json.dumps(centre)} }};</script>"
    )


def uncounted(page: Page) -> Page:
    """A match page as it is of a match that is not followed closely: only its header tells of the match."""
    before, _, rest = page.body.decode().partition("matchCentreData: ")
    if not rest:
        return page
    centre, end = json.JSONDecoder().raw_decode(rest)
    start = datetime.fromisoformat(centre["startTime"])
    clubs = f"'{centre['home']['name']}','{centre['away']['name']}'"
    header = (
        f"[1,2,{clubs},'{start:%d/%m/%Y %H:%M:%S}','{start:%d/%m/%Y} 00:00:00',6,'FT','0 : 0','{centre['ftScore']}',,,"
        f"'{centre['score']}','England','England']"
    )
    script = f"<script>require.config.params['matchheader'] = {{input: {header}}};</script>"
    body = f"{before}initialMatchDataForScrappers: [[{header}]]{rest[end:]}".replace("</body>", f"{script}</body>")
    return Page(body.encode())


def _html(body: str) -> Page:
    return Page(f"<!DOCTYPE html><html><head><title>Scores</title></head><body>{body}</body></html>".encode())


def _json(value: dict[str, Any]) -> Page:
    return Page(json.dumps(value).encode(), media_type="application/json")


@contextmanager
def running(site: Site) -> Iterator[Site]:
    """The site on a port of its own; `url` is its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if re.search(r"\.(png|ico|css)$|^/site.js", self.path):
                page = Page(b"", 404)
            elif self.headers["Host"] != site.host:
                site.elsewhere.append(f"{self.headers['Host']}{self.path}")
                page = Page(b"somebody else's")
            else:
                page = site.answer(self.path, self.headers["User-Agent"], self.headers["If-None-Match"])
            self.send_response(page.status)
            for name, value in page.headers:
                self.send_header(name, value)
            self.send_header("Content-Type", page.media_type)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            self.wfile.write(page.body[: page.sent])
            self.close_connection = self.close_connection or page.sent is not None

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a browser that went away

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        site.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
