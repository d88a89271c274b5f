"""Laws of `parse`, for every source."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchcast.adapters.sources import SOURCE_NAMES, source_named
from matchcast.domain.match import MAX_GOALS
from matchcast.errors import BadSource
from matchcast.ports import Parsed

HEADERS = {
    "football-data": "Div,Season,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HS,AS,B365H,B365D,B365A,AvgCH,AvgCD,AvgCA",
    "results-only": "Sea,Lge,Date,HT,AT,HS,AS,GD,WDL",
}
ODD = ["", " ", '"', '"A', "1e999", "nan", "\u0665", "9" * 5000, "\r", "1.5", "=1+1", "1_0", "A\u2028B"]
USUAL = "E0 D1 ENG1 2012/13 12-13 2012-09-01 01/09/2012 15:00 A B 1 2.0 -1 H D"
VALUES = st.one_of(st.sampled_from(USUAL.split()), st.sampled_from(ODD), st.text(max_size=12))
LINES = st.lists(st.lists(VALUES, max_size=20).map(",".join), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["ft", "et", "x"]), inner, max_size=3),
    max_leaves=6,
)
DAYS = st.sampled_from(["2025-08-23", "2025-02-30", "", "1/1/1"])
TEAMS = st.sampled_from(["A", "B", "", "x" * 99])
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "date": DAYS | JSON,
        "time": st.sampled_from(["15:00", "24:00", "15:00:00.5+05:00"]) | JSON,
        "team1": TEAMS | JSON,
        "team2": TEAMS | JSON,
        "score": st.just({"ft": [1, 0]}) | JSON,
        "status": JSON,
        "round": JSON,
    },
)


def parse(name: str, raw: bytes, file_name: str = "en.1.json") -> Parsed | None:
    try:
        return source_named(name).parse(raw, file_name)
    except BadSource as error:
        assert file_name in str(error)
        return None


@pytest.mark.parametrize("name", SOURCE_NAMES)
@given(raw=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_bytes_are_parsed_or_refused(name: str, raw: bytes) -> None:
    parse(name, raw)


@pytest.mark.parametrize("name", list(HEADERS))
@given(lines=LINES)
def test_every_line_that_is_not_blank_lands_in_rows_or_rejected(name: str, lines: list[str]) -> None:
    text = "\n".join([HEADERS[name], *lines]).encode("utf-8", "replace").decode()
    parsed = parse(name, text.encode())
    if parsed is None:
        assert "\0" in text
        return
    split = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    data = {number for number, line in enumerate(split, 1) if number > 1 and line.strip(", \t")}
    good, bad = {row.line for row in parsed.rows}, {row.line for row in parsed.rejected}
    assert good | bad == data
    assert all(row.reason and len(row.text) <= 200 for row in parsed.rejected)
    for row in parsed.rows:
        assert row.home_team != row.away_team
        assert row.home_goals is None or 0 <= row.home_goals <= MAX_GOALS
        assert all(1 < price < 10_000 for told in row.odds for price in told[2:5])


@given(entries=st.lists(ENTRY | JSON, max_size=6))
def test_every_openfootball_entry_lands_in_rows_or_rejected(entries: list[Any]) -> None:
    parsed = parse("openfootball", json.dumps({"name": "x", "matches": entries}).encode())
    assert parsed is not None
    positions = sorted([row.line for row in parsed.rows] + [row.line for row in parsed.rejected])
    assert positions == list(range(1, len(entries) + 1))
