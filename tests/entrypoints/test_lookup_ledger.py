"""GET /predict/{match_id}/history and GET /accuracy."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from functions.lookup.main import app
from matchcast.adapters.clock import Timer
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.inbox import SqlInbox
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.database.prices import SqlPrices
from matchcast.adapters.database.settlements import SqlSettlements
from matchcast.domain.forecast import Cause, Forecast, Probabilities
from matchcast.domain.match import Fixture
from matchcast.model.bundle import load_bundle
from matchcast.usecases.settle import Settler
from tests.contract.matches import ingested
from tests.contract.test_ledger import clock_at
from tests.entrypoints import house
from tests.entrypoints.house import House
from tests.entrypoints.served import assert_problem, served

GAMES = [game for game in house.games() if game.score is not None][-30:]
GAME = GAMES[-1]
HOUR = timedelta(hours=1)


@pytest.fixture
def settled(furnished: House) -> House:
    """Thirty games with two forecasts each, by two models; all are settled."""
    database = Database(furnished.database_url)
    ledger = SqlLedger(database)
    for number, game in enumerate(GAMES):
        fixture = Fixture(game.tournament, game.home, game.away, game.kickoff_at, game.season, game.id)
        for hours, home in ((5, 0.5), (2, 0.25 + number / 60)):
            at, chances = game.kickoff_at - hours * HOUR, Probabilities(home, 0.25, 0.75 - home)
            made = Forecast(fixture, at, chances, f"v{number % 2}", "s1", "c1", Cause.NEW_RESULTS)
            ledger.append([made], clock_at(at))
    settler = Settler("drift", SqlSettlements(database), SqlPrices(database), SqlInbox(database))
    settler.settle(ingested(*(game.id for game in GAMES)), house.NOW, Timer(60))
    database.close()
    return furnished


@pytest.fixture
def lookup(settled: House) -> Iterator[httpx.Client]:
    with served(app(), settled.key("predict")) as client:
        yield client


def test_history_tells_every_forecast_which_one_counts_and_its_settlement(lookup: httpx.Client) -> None:
    answer = lookup.get(f"/predict/{GAME.id}/history")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["match"]["match_id"] == GAME.id
    assert [(one["cause"], one["in_time"], one["locked"]) for one in body["items"]] == [
        ("new_results", True, False), ("new_results", True, True),
    ]  # fmt: skip
    (settlement,) = body["settlements"]
    assert settlement["forecast_id"] == body["items"][1]["forecast_id"]
    assert ((settlement["home_goals"], settlement["away_goals"]), settlement["status"]) == (GAME.score, "finished")
    assert settlement["scores"]["log_loss"] > 0
    again = lookup.get(f"/predict/{GAME.id}/history", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_history_is_paged_also_below_v1(lookup: httpx.Client) -> None:
    first = lookup.get(f"/v1/predict/{GAME.id}/history", params={"limit": 1}).json()
    assert first["next"].startswith(f"/v1/predict/{GAME.id}/history?limit=1&cursor=")
    second = lookup.get(first["next"]).json()
    assert second["next"] is None
    assert [one["locked"] for page in (first, second) for one in page["items"]] == [False, True]


def test_history_needs_a_key_a_known_match_and_a_cursor_of_ours(lookup: httpx.Client) -> None:
    assert_problem(httpx.get(f"{lookup.base_url}/predict/{GAME.id}/history"), 401)
    assert_problem(lookup.get("/predict/1/history"), 404, words="no match 1")
    assert_problem(lookup.get(f"/predict/{GAME.id}/history?cursor=junk"), 422, "cursor")


def test_accuracy_needs_a_key_and_stands_beside_the_base_rate(lookup: httpx.Client) -> None:
    assert_problem(httpx.get(f"{lookup.base_url}/accuracy"), 401)
    answer = lookup.get("/accuracy", params={"by": "model"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["total"]["matches"] == 30
    assert [(one["group"], one["matches"]) for one in body["groups"]] == [("v0", 15), ("v1", 15)]
    mean = sum(one["scores"]["log_loss"] * one["matches"] for one in body["groups"]) / 30
    assert body["total"]["scores"]["log_loss"] == pytest.approx(mean)
    assert 0.9 < body["total"]["base_rate"]["scores"]["log_loss"] < 1.1
    assert body["total"]["market"] is None
    for figures, matches in ((body["total"], 30), *((group, 15) for group in body["groups"])):
        assert sum(one["matches"] for one in figures["reliability"] if one["outcome"] == "draw") == matches


def test_accuracy_is_of_what_was_chosen(lookup: httpx.Client) -> None:
    chosen = [game for game in GAMES if game.tournament == house.SPAIN]
    body = lookup.get("/accuracy", params={"tournament": house.SPAIN}).json()
    assert body["total"]["matches"] == len(chosen)
    day = GAME.kickoff_at.date().isoformat()
    that_day = [game for game in GAMES if game.kickoff_at.date() == GAME.kickoff_at.date()]
    assert lookup.get("/accuracy", params={"date_from": day, "date_to": day}).json()["total"]["matches"] == len(
        that_day
    )
    assert lookup.get("/accuracy", params={"model": "0" * 16}).json()["total"] is None
    assert_problem(lookup.get("/accuracy?by=club"), 422, "by")
    assert_problem(lookup.get("/accuracy?date_from=yesterday"), 422, "date_from")


def test_accuracy_of_the_champion_is_that_of_the_version_in_use(
    lookup: httpx.Client, settled: House, tmp_path: Path
) -> None:
    """The next champion is another answer."""
    champions = [load_bundle(house.bundle_files(seed)).version for seed in (1, 2)]
    database = Database(settled.database_url)
    ledger, games = SqlLedger(database), [game for game in house.games() if game.score is not None][:2]
    for version, game in zip(champions, games, strict=True):
        fixture = Fixture(game.tournament, game.home, game.away, game.kickoff_at, game.season, game.id)
        at = game.kickoff_at - HOUR
        made = Forecast(fixture, at, Probabilities(0.5, 0.25, 0.25), version, "s1", "c1", Cause.NEW_RESULTS)
        ledger.append([made], clock_at(at))
    settler = Settler("drift", SqlSettlements(database), SqlPrices(database), SqlInbox(database))
    settler.settle(ingested(*(game.id for game in games), id="e2"), house.NOW, Timer(60))
    database.close()
    by_name = lookup.get("/accuracy", params={"model": "champion"})
    assert by_name.json()["total"]["matches"] == 1
    assert by_name.json() == lookup.get("/accuracy", params={"model": champions[0]}).json()
    settled.publish(2, tmp_path)
    time.sleep(1.1)
    etag = {"If-None-Match": by_name.headers["etag"]}
    assert lookup.get("/accuracy", params={"model": "champion"}, headers=etag).status_code == 200
    assert lookup.get("/accuracy", params={"model": champions[0]}, headers=etag).status_code == 304


@pytest.mark.parametrize("model", ["challenger", "latest", "v9", "Champion"])
def test_accuracy_of_a_model_that_nothing_is_settled_for_is_refused(lookup: httpx.Client, model: str) -> None:
    assert_problem(lookup.get("/accuracy", params={"model": model}), 404, None, "give champion or a version")


def test_accuracy_is_new_when_something_is_settled_and_else_the_same(lookup: httpx.Client, settled: House) -> None:
    first = lookup.get("/accuracy")
    assert lookup.get("/accuracy", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert lookup.get("/accuracy").content == first.content
    database = Database(settled.database_url)
    settlements = SqlSettlements(database)
    last = settlements.last([GAME.id])[GAME.id]
    settlements.add([last._replace(revision=2, result=None, market=None)])
    database.close()
    now = lookup.get("/accuracy", headers={"If-None-Match": first.headers["etag"]})
    assert (now.status_code, now.json()["total"]["matches"]) == (200, 29)
    assert now.json()["head"] != first.json()["head"]
    assert now.headers["etag"] != first.headers["etag"]
