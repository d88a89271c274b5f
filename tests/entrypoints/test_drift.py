"""Watching for drift and settling, over HTTP."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
from sqlalchemy import insert, literal, select

from functions.drift.main import app as drift_app
from functions.drift.watching import watch_with
from matchcast.adapters.clock import Timer
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.inbox import SqlInbox
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.database.tables import drift_reports, matches, odds
from matchcast.adapters.objects_folder import FolderStore
from matchcast.domain.event import Event, derived_id
from matchcast.domain.forecast import Cause, Forecast, Probabilities
from matchcast.domain.match import Fixture
from matchcast.events import PING, DriftChecked, DriftDetected, EventRejected, ForecastsSettled, payload_of
from matchcast.settings import DriftSettings, read_settings
from matchcast.usecases.champion import CHAMPION_KEY, reference_key
from matchcast.web.connections import Connections
from tests.contract.matches import ingested
from tests.entrypoints.drifting import NOW, Watched, contract, parquet
from tests.entrypoints.recorder import deliver, reply_of
from tests.entrypoints.served import assert_problem, served

DUE = Event("p1", "/apis/v1/namespaces/matchcast/pingsources/drift-daily", PING, NOW, {})
DRIFT = "/monitoring/drift"


compares = pytest.mark.usefixtures("evidently")
"""Of tests that make reports: they take seconds."""


@pytest.fixture
def watched(database_url: str, database: Database, tmp_path: Path) -> Watched:
    """A house on either database, with the league's matches and neither champion nor report."""
    environment = {
        "MATCHCAST_DATABASE_URL": database_url,
        "MATCHCAST_OBJECTS_URL": str(tmp_path / "objects"),
        "MATCHCAST_CACHE_DIR": str(tmp_path / "cache"),
        "MATCHCAST_CLOCK_STARTS_AT": NOW.isoformat(),
    }
    house = Watched(environment, database, FolderStore(tmp_path / "objects"))
    (tmp_path / "objects").mkdir()
    house.fill()
    return house


@pytest.fixture
def drift(watched: Watched) -> Iterator[httpx.Client]:
    with served(drift_app(watched.environment), watched.key("predict")) as client:
        yield client


@pytest.mark.slow
@compares
def test_matches_that_look_like_the_reference_are_checked_and_the_report_is_shown(
    watched: Watched, drift: httpx.Client
) -> None:
    rows = watched.recent_rows()
    version = watched.promote(rows, np.tile(rows, (5, 1)))
    assert_problem(drift.get(DRIFT), 404, words="no report")

    reply = reply_of(deliver(drift, DUE))
    assert reply is not None
    assert (reply.type, reply.id) == (DriftChecked.type(), derived_id(DUE, DriftChecked.type()))
    told = payload_of(reply, DriftChecked)
    assert (told.model_version, told.score, told.prediction_score, told.matches) == (version, 0, 0, len(rows))
    assert told.columns == ()

    answer = drift.get(DRIFT)
    shown = answer.json()
    assert (shown["detected"], shown["score"], shown["threshold"]) == (False, 0, told.threshold)
    assert [column["name"] for column in shown["columns"]] == [*contract().names, "home", "draw", "away"]
    assert not any(column["drifted"] for column in shown["columns"])
    assert drift.get(DRIFT, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304

    page = drift.get(shown["html"])
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "sandbox" in page.headers["content-security-policy"]
    assert page.content == watched.objects.get(told.html_key)
    whole = drift.get(shown["json"])
    assert whole.json()["report_id"] == shown["report_id"]
    assert whole.json()["evidently"]["metrics"]
    assert drift.get(shown["json"], headers={"If-None-Match": whole.headers["etag"]}).status_code == 304


@pytest.mark.slow
@compares
def test_shifted_features_are_detected_and_named(watched: Watched, drift: httpx.Client) -> None:
    rows = watched.recent_rows()
    shifted = np.tile(rows, (5, 1))
    names = ("home_elo", "away_elo", "home_elo_fast", "away_elo_fast")
    for name in names:
        shifted[:, contract().names.index(name)] += 150
    watched.promote(rows, shifted)
    reply = reply_of(deliver(drift, DUE))
    assert reply is not None
    told = payload_of(reply, DriftDetected)
    assert told.columns == names
    assert told.score == len(names) / len(contract().names) > told.threshold
    assert drift.get(DRIFT).json()["detected"] is True


@pytest.mark.slow
@compares
def test_the_score_must_be_above_the_threshold(watched: Watched) -> None:
    rows = watched.recent_rows()
    shifted = np.tile(rows, (5, 1))
    shifted[:, 0] += 1000
    watched.promote(rows, shifted)
    limit = {"MATCHCAST_DRIFT_THRESHOLD": repr(1 / len(contract().names))}
    with served(drift_app(watched.environment | limit)) as client:
        reply = reply_of(deliver(client, DUE))
    assert reply is not None
    assert reply.type == DriftChecked.type()


@pytest.mark.slow
@compares
def test_a_feature_known_on_one_side_only_has_drifted(watched: Watched, drift: httpx.Client) -> None:
    rows = watched.recent_rows()
    reference = np.tile(rows, (5, 1))
    reference[:, 1] = np.nan
    watched.promote(rows, reference)
    assert reply_of(deliver(drift, DUE)) is not None
    column = next(c for c in drift.get(DRIFT).json()["columns"] if c["name"] == contract().names[1])
    assert column == {"name": contract().names[1], "drifted": True, "method": "no values", "statistic": None}


def test_a_model_that_reads_prices_is_watched_on_matches_that_have_them(watched: Watched, drift: httpx.Client) -> None:
    """The league's finished matches have closing prices alone, so none is left to compare."""
    rows = watched.recent_rows()
    priced = np.hstack([rows, np.zeros((len(rows), 3), dtype=np.float32)])
    watched.promote(priced, priced, market=True)
    assert deliver(drift, DUE).status_code == 204


@pytest.mark.slow
@compares
def test_prices_before_the_match_are_compared_for_a_model_that_reads_them(
    watched: Watched, drift: httpx.Client
) -> None:
    names = ["match_id", "bookmaker", "moment", "home", "draw", "away"]
    closing = select(odds.c.match_id, odds.c.bookmaker, literal("opening"), odds.c.home, odds.c.draw, odds.c.away)
    with watched.database.writing() as connection:
        connection.execute(insert(odds).from_select(names, closing))
    rows = watched.recent_rows()
    priced = np.hstack([rows, np.zeros((len(rows), 3), dtype=np.float32)])
    watched.promote(priced, priced, market=True)
    reply = reply_of(deliver(drift, DUE))
    assert reply is not None
    told = payload_of(reply, DriftDetected if reply.type == DriftDetected.type() else DriftChecked)
    assert told.matches == len(rows)
    assert told.columns == ("market_home", "market_draw", "market_away"), "the reference has zeros"


def test_a_reference_too_small_to_compare_with_is_rejected(watched: Watched, drift: httpx.Client) -> None:
    rows = watched.recent_rows()
    watched.promote(rows, rows[:49])
    reply = reply_of(deliver(drift, DUE))
    assert reply is not None
    assert "reference_rows" in payload_of(reply, EventRejected).problem.detail


def test_too_few_recent_matches_make_no_report(watched: Watched) -> None:
    rows = watched.recent_rows()
    watched.promote(rows, rows)
    with served(drift_app(watched.environment | {"MATCHCAST_DRIFT_DAYS": "3"}), watched.key("predict")) as client:
        assert deliver(client, DUE).status_code == 204
        assert_problem(client.get(DRIFT), 404)


@pytest.mark.slow
@compares
def test_the_same_ping_again_and_at_once_makes_one_report(watched: Watched, drift: httpx.Client) -> None:
    rows = watched.recent_rows()
    watched.promote(rows, rows)
    with ThreadPoolExecutor(3) as pool:
        replies = [reply_of(answer) for answer in pool.map(lambda _: deliver(drift, DUE), range(3))]
    replies.append(reply_of(deliver(drift, DUE)))
    assert len({str(reply) for reply in replies}) == 1
    with watched.database.reading() as connection:
        assert len(connection.execute(select(drift_reports)).all()) == 1
    assert len(watched.objects.keys("drift/")) == 2


@pytest.mark.slow
@compares
def test_a_check_that_another_delivery_made_before_leaves_that_report_as_it_is(watched: Watched) -> None:
    """Both are at work until the first is recorded."""
    rows = watched.recent_rows()
    watched.promote(rows, rows)
    settings = read_settings(DriftSettings, watched.environment)
    watch = watch_with(Connections(settings), settings, "drift")

    class Late(SqlInbox):
        def handled(self, consumer: str, event: Event) -> None:
            """Nobody was done when this one looked."""

    first = watch.check(DUE, NOW, Timer(60))
    assert first is not None
    kept = watched.objects.get(first.data["report_key"])
    late = replace(watch, inbox=Late(watched.database))
    assert late.check(DUE, NOW + timedelta(seconds=1), Timer(60)) == first
    assert watched.objects.get(first.data["report_key"]) == kept


@pytest.mark.slow
@compares
def test_without_a_champion_or_its_reference_a_check_is_rejected_with_the_remedy(
    watched: Watched, drift: httpx.Client
) -> None:
    reply = reply_of(deliver(drift, DUE))
    assert reply is not None
    assert "matchcast promote" in payload_of(reply, EventRejected).problem.detail

    rows = watched.recent_rows()
    version = watched.promote(rows, None)
    reply = reply_of(deliver(drift, replace(DUE, id="p2")))
    assert reply is not None
    assert f"matchcast promote {version}" in payload_of(reply, EventRejected).problem.detail

    watched.objects.put(reference_key(version), parquet(rows, contract().names))
    reply = reply_of(deliver(drift, DUE))
    assert reply is not None
    assert reply.type == DriftChecked.type(), "what was rejected may be sent again"


@pytest.mark.parametrize("damaged", ["reference", "reference inside", "pointer"])
def test_a_damaged_reference_or_champion_is_told_to_be_tried_again(
    watched: Watched, drift: httpx.Client, damaged: str
) -> None:
    rows = watched.recent_rows()
    version = watched.promote(rows, rows)
    content = b"damaged"
    if damaged == "reference inside":
        whole = watched.objects.get(reference_key(version))
        content = whole[:4] + b"\xff" * (len(whole) // 2) + whole[4 + len(whole) // 2 :]
    watched.objects.put(CHAMPION_KEY if damaged == "pointer" else reference_key(version), content)
    assert_problem(deliver(drift, DUE), 503, words="matchcast promote")


@pytest.mark.slow
@compares
def test_the_daily_ping_removes_what_is_too_old(watched: Watched, drift: httpx.Client) -> None:
    inbox = SqlInbox(watched.database)
    old, young = (replace(DUE, id=name) for name in ("old", "young"))
    inbox.once("drift", old, NOW - timedelta(days=31), lambda: None)
    inbox.once("drift", young, NOW - timedelta(days=29), lambda: None)
    assert reply_of(deliver(drift, DUE)) is not None
    assert [inbox.handled("drift", event) for event in (old, young)] == [None, (None,)]


def test_results_are_settled_on_an_event(watched: Watched, drift: httpx.Client) -> None:
    with watched.database.reading() as connection:
        last = connection.execute(
            select(matches).where(matches.c.kickoff_at < NOW, matches.c.home_goals.is_not(None))
            .order_by(matches.c.kickoff_at.desc(), matches.c.id).limit(1)
        ).one()  # fmt: skip
    game = Fixture(last.tournament_id, last.home_team_id, last.away_team_id, last.kickoff_at, last.season, last.id)
    made = Forecast(game, last.kickoff_at, Probabilities(0.4, 0.3, 0.3), "v1", "s1", "c1", Cause.NEW_RESULTS)
    SqlLedger(watched.database).append([made], lambda: last.kickoff_at.replace(hour=1))
    event = ingested(last.id)
    reply = reply_of(deliver(drift, event))
    assert reply is not None
    told = payload_of(reply, ForecastsSettled)
    assert told.matches == (last.id,)
    assert told.scores[0].matches == 1
    assert reply_of(deliver(drift, event)) == reply
    again = reply_of(deliver(drift, replace(event, id="e2")))
    assert again is not None
    assert payload_of(again, ForecastsSettled).matches == ()
    bad = reply_of(deliver(drift, replace(event, id="e3", data={})))
    assert bad is not None
    assert bad.type == EventRejected.type()


@pytest.mark.parametrize("path", [DRIFT, f"{DRIFT}/reports/7f2ce0a6-2c3a-5d0e-9f0b-6d61746368ca.html"])
def test_reports_are_for_those_who_may_predict(watched: Watched, path: str) -> None:
    ingest, predict = watched.key("ingest"), watched.key("predict")
    with served(drift_app(watched.environment)) as client:
        assert_problem(client.get(path), 401)
        assert_problem(client.get(path, headers={"X-API-Key": ingest}), 403)
        assert_problem(client.get(path, headers={"X-API-Key": predict}), 404)


def test_a_report_goes_by_its_id(drift: httpx.Client) -> None:
    assert_problem(drift.get(f"{DRIFT}/reports/nonsense.html"), 422, "report_id")


SPARED = """
import json, sys
from functions.drift.main import app
from starlette.testclient import TestClient
from matchcast.adapters.cloudevents import event_http
from matchcast.adapters.database.inbox import event_from
with TestClient(app()) as client:
    assert client.get("/monitoring/drift").status_code == 401
    light = sorted({"numpy", "numba", "pandas", "evidently"} & sys.modules.keys())
    headers, body = event_http(event_from(json.loads(sys.argv[1])))
    assert client.post("/", headers=headers, content=body).status_code == 200
print(json.dumps([light, sorted({"numba", "pandas", "evidently"} & sys.modules.keys())]))
"""


def test_a_get_waits_for_no_numpy_and_settling_for_no_evidently(watched: Watched) -> None:
    from matchcast.adapters.database.inbox import event_json

    done = subprocess.run(
        [sys.executable, "-c", SPARED, json.dumps(event_json(ingested()))],
        env={"PATH": "", "PYTHONPATH": "shared:."} | watched.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [[], []]
