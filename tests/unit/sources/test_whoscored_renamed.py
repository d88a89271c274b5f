"""Keys that WhoScored renames: what was told by them is not known any more, and never a zero."""

from typing import Any

import pytest

from matchcast.adapters.sources.whoscored import WhoScored
from matchcast.domain.match import MatchStats
from matchcast.ports import Parsed
from tests.unit.sources.whoscored_made import centre, event, page, side

FULL = MatchStats(5, 5, 3, 3, 2, 2, 4, 4, 1, 1, 0, 0)


def page_with(*renamed: str, **told: Any) -> Parsed:
    raw = page(centre(**told))
    for key in renamed:
        assert f'"{key}"'.encode() in raw
        raw = raw.replace(f'"{key}"'.encode(), f'"new{key}"'.encode())
    return WhoScored().parse(raw, "match/201.html")


def stats(parsed: Parsed) -> MatchStats:
    (found,) = parsed.rows
    assert found.stats is not None
    return found.stats


@pytest.mark.parametrize(
    ("key", "unknown"),
    [
        ("shotsTotal", ("home_shots", "away_shots")),
        ("shotsOnTarget", ("home_shots_on_target", "away_shots_on_target")),
        ("cornersTotal", ("home_corners", "away_corners")),
        ("foulsCommited", ("home_fouls", "away_fouls")),
        ("cardType", ("home_yellows", "away_yellows", "home_reds", "away_reds")),
    ],
)
def test_a_count_under_another_key_is_unknown_and_that_is_told(key: str, unknown: tuple[str, ...]) -> None:
    parsed = page_with(key)
    assert stats(parsed) == FULL._replace(**dict.fromkeys(unknown))
    (remark,) = parsed.rejected
    assert "left out" in remark.reason


def test_a_card_of_a_kind_we_do_not_know_leaves_the_cards_out() -> None:
    odd = side("Bexley", incidentEvents=[event("Card", 1, "YellowCard")])
    parsed = page_with(away=odd)
    assert stats(parsed)[8:] == (None, None, None, None)
    assert "'YellowCard' is no card that we know" in parsed.rejected[0].reason


def test_a_card_that_was_taken_back_does_not_count() -> None:
    booked = side("Bexley", incidentEvents=[event("Card", 1, "Yellow"), event("Card", 2, "VoidYellowCard")])
    parsed = page_with(away=booked)
    assert stats(parsed) == FULL
    assert not parsed.rejected


def shooting(aimed: int, off: int, blocked: int, **more: int) -> dict[str, Any]:
    """A side's counts; what it never did is not listed."""
    counts = {"shotsOnTarget": aimed, "shotsOffTarget": off, "shotsBlocked": blocked} | more
    total = counts.pop("total", aimed + off + blocked)
    told = {key: {"10": count} for key, count in counts.items() if count}
    return side("A", stats={"touches": {"1": 9}, "shotsTotal": {"10": total}, **told}, incidentEvents=[])


@pytest.mark.parametrize(
    ("home", "away", "on_target"),
    [
        (shooting(0, 6, 5), shooting(7, 2, 4), (0, 7)),
        (shooting(0, 6, 5), shooting(0, 2, 0), (0, 0)),
        (shooting(2, 6, 0, shotsOnPost=1), shooting(1, 0, 0, shotsOnPost=1, total=2), (2, 1)),
    ],
)
def test_that_nobody_shot_on_target_shows_by_all_other_shots(
    home: dict[str, Any], away: dict[str, Any], on_target: tuple[int, int]
) -> None:
    found = stats(page_with(home=home, away=away))
    assert (found.home_shots_on_target, found.away_shots_on_target) == on_target
    assert None not in (found.home_shots, found.away_shots)


def test_shots_that_do_not_add_up_are_left_out() -> None:
    parsed = page_with("shotsOnTarget", home=shooting(3, 6, 5), away=shooting(7, 2, 4))
    assert stats(parsed)[:4] == (None, None, None, None)
    assert any("do not add up" in remark.reason for remark in parsed.rejected)
