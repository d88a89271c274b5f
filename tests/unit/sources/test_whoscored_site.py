"""WhoScored's own lists, its block pages, and the laws that hold for all of its answers."""

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchcast.adapters.sources import detect
from matchcast.adapters.sources.whoscored import (
    Season,
    Stage,
    Tournament,
    WhoScored,
    block_reason,
    days_of,
    months_of,
    seasons_of,
    stages_of,
    tournaments_of,
)
from matchcast.adapters.sources.whoscored.tournaments import ID_BY_NAME
from matchcast.domain.competitions import COMPETITION_BY_CODE, COMPETITIONS
from matchcast.domain.match import MAX_GOALS, MatchStatus
from matchcast.errors import BadSource, LayoutChanged, SourceBlocked
from matchcast.ports import Parsed
from tests.unit.sources import whoscored_made as made


def test_the_tiers_list_names_every_tournament_with_its_page() -> None:
    assert tournaments_of(made.TIERS) == (
        Tournament("2", "Premier League", "252", "England", "/regions/252/tournaments/2/england-premier-league"),
        Tournament("7", "Championship", "252", "England", "/regions/252/tournaments/7/england-championship"),
    )
    assert WhoScored().parse(made.TIERS, "tiers.json") == Parsed([], [])
    assert detect(made.TIERS, "tiers.json").name == "whoscored"


def test_months_of_a_calendar_count_from_0_and_days_from_1() -> None:
    assert days_of(made.CALENDAR) == (date(2020, 12, 26), date(2021, 1, 2), date(2021, 1, 31))
    assert months_of(made.CALENDAR) == ("202012", "202101")
    assert months_of(b'{"mask": {}}') == ()
    assert WhoScored().parse(made.CALENDAR, "calendar/5.json") == Parsed([], [])


def test_an_odd_entry_of_a_list_keeps_no_other_from_being_read() -> None:
    tiers = json.loads(made.TIERS)
    del tiers[0]["tournaments"][0]["url"]
    tiers[0]["tournaments"][1]["name"] = None
    tiers[1] |= {"name": None, "tournaments": None}
    assert tournaments_of(json.dumps(tiers).encode()) == (
        Tournament("2", "Premier League", "252", "England", "/regions/252/tournaments/2"),
        Tournament("7", "", "252", "England", "/regions/252/tournaments/7/england-championship"),
    )
    assert days_of(b'{"mask": null}') == ()
    assert days_of(b'{"mask": {"2019": null, "2020": {"1": null, "2": {"1": 1}}}}') == (date(2020, 3, 1),)


def test_a_tournament_page_lists_its_own_seasons_and_stages() -> None:
    name = "tournament/7.html"
    assert seasons_of(made.TOURNAMENT, name) == (
        Season("900", "2020/2021", "/Regions/252/Tournaments/7/Seasons/900/x"),
        Season("800", "2019/2020", "/Regions/252/Tournaments/7/Seasons/800/x"),
    )
    assert stages_of(made.TOURNAMENT, name) == (
        Stage("31", "Champion'ship", "/Regions/252/Tournaments/7/Seasons/900/Stages/31/x"),
        Stage("32", "Play-offs", "/Regions/252/Tournaments/7/Seasons/900/Stages/32/x"),
    )
    assert WhoScored().parse(made.TOURNAMENT, name) == Parsed([], [])
    assert WhoScored().parse(made.TOURNAMENT, "saved.html") == Parsed([], [])


def test_a_season_of_one_stage_is_told_by_the_links_of_its_page() -> None:
    page = made.TOURNAMENT.replace(b'<select id="stages"', b'<select id="other"').replace(b"</body>", b"""
        <a href="/regions/252/tournaments/7/seasons/800/stages/29/fixtures/old">Old</a>
        <a href="/regions/252/tournaments/7/seasons/900/stages/31/fixtures/now">Fixtures</a></body>""")  # fmt: skip
    assert stages_of(page, "tournament/7.html") == (
        Stage("31", "", "/regions/252/tournaments/7/seasons/900/stages/31/fixtures/now"),
    )


@pytest.mark.parametrize(
    ("name", "raw", "problem"),
    [
        ("tiers.json", b"[]", "no tournament is listed"),
        ("tiers.json", b'[{"id": 1, "name": "x"}]', r"\[0\]\.tournaments: is missing"),
        ("tiers.json", b"<html></html>", "a web page stands here"),
        ("calendar/5.json", b'{"min": "x"}', "mask: is missing"),
        ("calendar/5.json", b'{"mask": {"2020": {"12": {"1": 1}}}}', r"mask\.2020\.12\.1: is no day"),
        ("calendar/5.json", b'{"mask": {"2020": {"1": {"30": 1}}}}', r"mask\.2020\.1\.30: is no day"),
        ("calendar/5.json", '{"mask": {"2020": {"1": {"\u0663": 1}}}}'.encode(), "is no day"),
        ("tournament/8.html", made.TOURNAMENT, "no stage is linked"),
        ("tournament/7.html", b"<html></html>", "no stage is linked"),
        ("other.json", b'{"a": 1}', r"its keys \(a\) are those of none"),
        ("other.json", b"7", r"its keys \(\) are those of none"),
        ("other.html", b"<html></html>", "a web page stands here"),
    ],
)
def test_a_changed_list_names_the_key(name: str, raw: bytes, problem: str) -> None:
    with pytest.raises(LayoutChanged, match=problem) as caught:
        WhoScored().parse(raw, name)
    assert str(caught.value).startswith(f"{name}: ")


def test_a_page_without_seasons_says_so() -> None:
    with pytest.raises(LayoutChanged, match="no season is linked"):
        seasons_of(b"<html></html>", "tournament/7.html")


def test_a_tournament_page_that_is_cut_off_is_to_be_fetched_again() -> None:
    cut = made.TOURNAMENT[: made.TOURNAMENT.index(b"<select")]
    for read in (stages_of, seasons_of):
        with pytest.raises(BadSource, match="the page is cut off") as caught:
            read(cut, "tournament/7.html")
        assert not isinstance(caught.value, LayoutChanged)


INCAPSULA = b"""<html style="height:100%"><head><meta name="robots" content="noindex"></head><body>
    <iframe src="/_Incapsula_Resource?x=28" width="100%">
    Request unsuccessful. Incapsula incident ID: 1-2</iframe></body></html>"""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (INCAPSULA, "Incapsula"),
        (b'\n<html><head><script src="/_Incapsula_Resource?y=1"></script></head><body></body></html>', "Incapsula"),
        (b'<html><head><script src="/_Incapsula_Resource?y=1"></script><body></body>', "Incapsula"),
        (
            b'<html><head><title> </title><script src="/_Incapsula_Resource?y=1"></script></head>'
            + b" " * 1024
            + b"</html>",
            "Incapsula",
        ),
        (
            b'<html><body><iframe src="//content.incapsula.com/jsTest.html" id="gaIframe"></iframe></body></html>',
            "Incapsula",
        ),
        (b"<html><head><title>Request Rejected</title></head><body>No.</body></html>", "block page"),
        (b"<html><body>The URL was rejected.<br>Your support ID is: 1</body></html>", "block page"),
        (b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>", "Cloudflare"),
        (
            b'<html><body><script src="/cdn-cgi/challenge-platform/h/g/orchestrate/chl_page/v1"></script></body></html>',
            "Cloud",
        ),
        (b"<html><body><form action='/x?__cf_chl_f_tk=1'></form></body></html>", "Cloudflare"),
        (b"<title>Attention Required! | Cloudflare</title>".join((b"<html>", b"</html>")), "Cloudflare"),
        (b"<html><body><form id='captcha-form' action='/check'></form></body></html>", "CAPTCHA"),
        (b'<html><body><div class="g-recaptcha" data-sitekey="k"></div></body></html>', "CAPTCHA"),
        (b"<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD><BODY><H1>Access Denied</H1></BODY></HTML>", "access denied"),
        (b"<html><body><h1>429 Too Many Requests</h1></body></html>", "access denied"),
        (b"Access denied. Error 15.", "access denied"),
        (b"error code: 1020", "access denied"),
        (b"<html><title>www</title><h1>Verify you are human by completing the action below</h1></html>", "CAPTCHA"),
        (b"<html><title>Sorry</title>Our systems have detected unusual traffic from your network</html>", "block page"),
        (b"<html><body><script>window.onProtectionInitialized = 1</script></body></html>", "Imperva"),
        ("<html><title>Just\u00a0a moment...</title></html>".encode(), "Cloudflare"),
        (b'{"message": "Too Many Requests"}', "access denied"),
        (b'{"code": 7, "error": "Forbidden: no key"}', "access denied"),
        (b'{"url":"https://geo.captcha-delivery.com/captcha/?initialCid=A"}', "CAPTCHA"),
    ],
)
def test_a_block_page_is_told_and_never_parsed(content: bytes, reason: str) -> None:
    assert reason in str(block_reason(content, 200))
    with pytest.raises(SourceBlocked, match="turned us away"):
        WhoScored().parse(content, "month/1/202010.json")


def test_accepted_without_a_word_is_a_challenge() -> None:
    assert "202" in str(block_reason(b"", 202))


@pytest.mark.parametrize("status", [401, 403, 429, 451])
def test_a_refusing_status_is_a_block_whatever_the_body(status: int) -> None:
    assert str(status) in str(block_reason(made.one(), status))


@pytest.mark.parametrize(
    "content",
    [
        made.page(made.centre()),
        made.TOURNAMENT,
        made.TIERS,
        made.one(homeTeamName="Access Denied FC", awayTeamName="Just a moment"),
        b'{"tournaments": [], "message": "verify you are human"}',
        b"<html><head><title>Football</title></head><body>" + b"x" * 5000 +
        b'<script src="/_Incapsula_Resource?a"></script><p>captcha</p></body></html>',
        b"",
        b"<html>",
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [200, 304, 404, 500])
def test_a_good_page_that_mentions_such_a_script_is_no_block(content: bytes, status: int) -> None:
    assert block_reason(content, status) is None


def test_every_tournament_of_the_site_is_one_of_ours_by_id_and_by_name() -> None:
    ids = {dict(c.codes)["whoscored"] for c in COMPETITIONS if "whoscored" in dict(c.codes)}
    assert set(ID_BY_NAME.values()) == ids
    assert all(COMPETITION_BY_CODE["whoscored", number].id for number in ids)


# Laws

NAMES = ("", "tiers.json", "calendar/1.json", "month/1/202010.json", "day/20201003.json", "tournament/7.html",
         "match/201.html", "mapi/301.json", "x.json")  # fmt: skip
WHOLE = (
    made.one(elapsed="AET", incidents=[made.goal(0, 1), made.goal(0, 1), made.goal(1, 3)]),
    made.page(made.centre()),
    made.plain_page(),
    json.dumps(made.centre()).encode(),
    json.dumps(made.mobile()).encode(),
    made.TIERS,
    made.CALENDAR,
    made.TOURNAMENT,
)
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        "",
        "x",
        0,
        1,
        -1,
        7,
        2**63,
        2**70,
        1e300,
        1.5,
        True,
        [],
        {},
        [None],
        "\x00",
        "2020-10-03T11:30:00Z",
        "9" * 5000,
    ]
)


def parse(raw: bytes, name: str) -> Parsed | None:
    try:
        first = WhoScored().parse(raw, name)
    except BadSource as error:
        assert not name or str(error).startswith(f"{name}: ")
        return None
    assert WhoScored().parse(raw, name) == first
    for row in first.rows:
        assert row.home_team != row.away_team
        goals = (row.home_goals, row.away_goals)
        assert all(g is not None and 0 <= g <= MAX_GOALS for g in goals) == (row.status is MatchStatus.FINISHED)
        assert row.status is MatchStatus.FINISHED or goals == (None, None)
    assert all(r.reason and len(r.text) <= 200 for r in first.rejected)
    return first


@given(raw=st.binary(max_size=200) | st.text(max_size=200).map(str.encode), name=st.sampled_from(NAMES))
def test_any_bytes_are_parsed_or_refused_under_any_name(raw: bytes, name: str) -> None:
    parse(raw, name)


@given(whole=st.sampled_from(WHOLE), name=st.sampled_from(NAMES), data=st.data())
def test_an_answer_cut_off_or_damaged_anywhere_is_parsed_or_refused(
    whole: bytes, name: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(whole)))
    parse(whole[:at], name)
    parse(whole[:at] + data.draw(st.binary(max_size=4)) + whole[at + data.draw(st.integers(0, 9)) :], name)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) within."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in list(pairs) for place in ((value, key), *_places(inner))]


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("month/1/202010.json", WHOLE[0]),
        ("match/1.html", json.dumps(made.centre()).encode()),
        ("mapi/301.json", json.dumps(made.mobile()).encode()),
        ("tiers.json", made.TIERS),
        ("calendar/5.json", made.CALENDAR),
    ],
)
@given(data=st.data(), value=VALUES, drop=st.booleans())
def test_any_value_in_any_place_is_read_rejected_or_named(
    name: str, whole: bytes, data: st.DataObject, value: Any, drop: bool
) -> None:
    document = json.loads(whole)
    container, key = data.draw(st.sampled_from(_places(document)))
    if drop:
        del container[key]
    else:
        container[key] = value
    parse(json.dumps(document).encode(), name)
    if name.startswith("match/"):
        parse(made.page(document), name)


TEAMS = st.sampled_from(["Ashford", "Bexley", "Croydon", "", "TBC", None])
MATCHES = st.builds(
    made.match,
    st.integers(1, 10**9),
    status=st.integers(0, 9),
    elapsed=st.sampled_from(["FT", "AET", "PEN", "Abd", "Can", "Post", "", None, "67'"]),
    homeScore=st.none() | st.integers(0, 5),
    awayScore=st.none() | st.integers(0, 5),
    homeTeamName=TEAMS,
    awayTeamName=TEAMS,
    startTimeUtc=st.datetimes().map(lambda t: t.isoformat() + "Z"),
    incidents=st.lists(
        st.builds(made.goal, st.sampled_from([0, 1, None]), st.sampled_from([1, 3, 5, None])), max_size=4
    ),
)
TOURNAMENTS = st.lists(MATCHES, max_size=4).flatmap(
    lambda matches: st.builds(
        lambda number, sex: made.tournament(*matches, tournamentId=number, sex=sex),
        st.sampled_from([2, 3, 12]),
        st.sampled_from([1, 2, None]),
    )
)


@given(entries=st.lists(TOURNAMENTS, max_size=3))
def test_every_match_of_a_feed_lands_in_rows_or_rejected(entries: list[dict[str, Any]]) -> None:
    parsed = parse(made.feed(*entries), "day/20201003.json")
    assert parsed is not None
    told = [(entry, match) for entry in entries for match in entry["matches"]]
    lines = {row.line for row in parsed.rows} | {row.line for row in parsed.rejected}
    assert lines == set(range(1, len(told) + 1))
    for row in parsed.rows:
        entry, match = told[row.line - 1]
        assert (row.source_id, row.home_team, row.away_team) == (
            str(match["id"]), match["homeTeamName"], match["awayTeamName"],
        )  # fmt: skip
        assert (entry["tournamentId"], entry["sex"]) != (12, 2)
        if row.status is MatchStatus.FINISHED and match["elapsed"] in ("FT", "", None):
            assert (row.home_goals, row.away_goals) == (match["homeScore"], match["awayScore"])
