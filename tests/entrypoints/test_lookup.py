"""GET /predict/{match_id}, GET /predict/ and GET /matches/."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.lookup.main import app, build
from matchcast.adapters.database.api_keys import SqlApiKeys
from matchcast.adapters.database.engine import Database
from matchcast.adapters.objects_folder import FolderStore
from matchcast.adapters.watched import Watched
from matchcast.model.bundle import load_bundle
from matchcast.settings import LookupSettings, read_settings
from matchcast.usecases.publish import SNAPSHOT_KEY, Published
from matchcast.web.connections import Connections
from tests.entrypoints import house
from tests.entrypoints.house import House
from tests.entrypoints.served import assert_problem, served


def walk(client: httpx.Client, path: str | None) -> list[dict[str, Any]]:
    """All items from a path on, page by page."""
    items: list[dict[str, Any]] = []
    while path is not None:
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        items += body["items"]
        path = body["next"]
    return items


def test_starting_loads_no_numeric_library() -> None:
    """A cold start waits for every import; a lookup reads what was computed before."""
    script = "import sys, functions.lookup.main; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "matchcast" in loaded
    assert not {"numpy", "scipy", "pandas", "pyarrow", "sklearn", "xgboost", "numba", "mlflow"} & set(loaded)


def test_while_the_snapshot_is_waited_for_others_are_answered_and_from_then_on_no_thread_is_taken(
    standing: House,
) -> None:
    to = Connections(read_settings(LookupSettings, standing.environment))
    stored, go, asked_in = to.snapshot(), threading.Event(), []

    def load(_: FolderStore) -> Published:
        assert go.wait(30)
        return stored()

    def noted() -> datetime:
        asked_in.append(threading.current_thread().name)
        return house.NOW

    web = build(
        published=Watched(standing.objects, SNAPSHOT_KEY, load), matches=to.matches, tasks=to.tasks, terms=to.terms,
        telemetry=to.telemetry(), now=noted,
    )  # fmt: skip
    path = f"/predict/{house.fixtures()[0].match_id}"
    with served(web, standing.key("predict")) as client, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.get, path)
        try:
            for _ in range(20):
                assert client.get("/livez", timeout=2).status_code == 200
                time.sleep(0.02)
            assert not waiting.done()
        finally:
            go.set()
        assert waiting.result().status_code == client.get(path).status_code == 200
    first, second = asked_in
    assert "worker" in first
    assert "worker" not in second


def test_the_current_forecast_is_shown_as_the_batch_made_it(lookup: httpx.Client) -> None:
    fixture = house.fixtures()[0]
    answer = lookup.get(f"/predict/{fixture.match_id}")
    assert answer.status_code == 200
    body = answer.json()
    bundle = load_bundle(house.bundle_files(1))
    assert (body["model_version"], body["run_id"], body["cause"]) == (bundle.version, bundle.run_id, "new_results")
    assert body["as_of"] == body["snapshot"]["as_of"] == "2025-03-01T00:00:00Z"
    assert body["fixture"]["match_id"] == fixture.match_id
    assert sum(body["probabilities"].values()) == pytest.approx(1)
    assert "forecast_id" not in body
    assert body["coverage"]["home_matches"] > 12
    assert 0.5 < body["coverage"]["features_known"] <= 1
    assert body["coverage"]["little_history"] is False
    (first,) = [item for item in lookup.get("/predict/").json()["items"] if item["fixture"] == body["fixture"]]
    assert first["coverage"] == body["coverage"]


def test_a_forecast_can_be_asked_for_by_version(lookup: httpx.Client) -> None:
    path = f"/predict/{house.fixtures()[0].match_id}"
    version = load_bundle(house.bundle_files(1)).version
    assert lookup.get(path, params={"model": version}).status_code == 200
    assert_problem(lookup.get(path, params={"model": "v0"}), 404, None, version)
    assert_problem(
        lookup.get(path, params={"model": "challenger"}), 404, None, "POST /predict/ with match_id and model"
    )


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/monitoring/task_status/%00", "task_id"), ("/accuracy?model=%00", "model"), ("/matches/?team=a:%00", "team"),
        ("/matches/?tournament=a%0A", "tournament"), ("/matches/?cursor=%7F", "cursor"),
    ],
)  # fmt: skip
def test_no_control_character_reaches_the_database(standing: House, database_url: str, path: str, field: str) -> None:
    database = Database(database_url)
    key = SqlApiKeys(database).create("tests", frozenset({"predict"}), house.NOW).text
    database.close()
    with served(app({**standing.environment, "MATCHCAST_DATABASE_URL": database_url}), key) as client:
        assert_problem(client.get(path), 422, field, "leave out control characters")
        assert client.get("/monitoring/task_status/none").status_code == 404


def test_unknown_matches_are_not_found(lookup: httpx.Client) -> None:
    assert_problem(lookup.get("/predict/1"), 404, None, "is no upcoming fixture")
    assert_problem(lookup.get(f"/predict/{house.fixtures()[-1].match_id}/"), 404, None, "has no forecast yet")
    assert_problem(lookup.get("/predict/x"), 422, "match_id", "integer")
    assert_problem(lookup.get(f"/predict/{2**70}"), 422, "match_id", "<= 9007199254740991")


def test_unchanged_answers_are_304_until_a_new_snapshot(furnished: House, tmp_path: Path) -> None:
    match = house.fixtures()[0].match_id
    with served(app(), furnished.key("predict")) as client:
        for path in (f"/predict/{match}", "/predict/?limit=2", "/matches/?limit=2"):
            answer = client.get(path)
            for tag in (answer.headers["etag"], f'"x", {answer.headers["etag"]}', "*"):
                again = client.get(path, headers={"If-None-Match": tag})
                assert (again.status_code, again.content) == (304, b"")
                assert again.headers["etag"] == answer.headers["etag"]
            assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
        before = client.get(f"/predict/{match}")
        furnished.publish(2, tmp_path)
        time.sleep(1.1)
        after = client.get(f"/predict/{match}", headers={"If-None-Match": before.headers["etag"]})
        assert after.status_code == 200
        assert after.json()["run_id"] == "run2"
        assert after.json()["probabilities"] != before.json()["probabilities"]


def test_a_forecast_tells_whether_the_kick_off_time_is_known(lookup: httpx.Client) -> None:
    shown = {f["match_id"]: f["kickoff_known"] for f in (i["fixture"] for i in walk(lookup, "/predict/?limit=200"))}
    assert shown == {f.match_id: f.kickoff_known for f in house.fixtures()[:-1]}
    assert set(shown.values()) == {True, False}


@pytest.mark.parametrize(
    ("query", "belongs"),
    [
        ("", lambda f: True),
        ("date_from=2025-03-20", lambda f: f["kickoff_at"] >= "2025-03-20"),
        ("date_to=2025-03-20", lambda f: f["kickoff_at"] < "2025-03-21"),
        ("date_to=2025-03-20T00:00:00Z", lambda f: f["kickoff_at"] < "2025-03-20"),
        ("tournament=la%20liga", lambda f: f["tournament"] == house.SPAIN),
        ("tournament=premier+league&team=gate", lambda f: "england:northgate-united" in _clubs(f)),
        ("team=spain:real-costa&status=upcoming", lambda f: "spain:real-costa" in _clubs(f)),
        ("status=finished", lambda f: False),
    ],
)
def test_forecasts_are_listed_and_narrowed(lookup: httpx.Client, query: str, belongs: Any) -> None:
    everything = walk(lookup, "/predict/?limit=200")
    assert len(everything) == len(house.fixtures()) - 1
    listed = walk(lookup, f"/predict/?{query}&limit=3")
    expected = [item["fixture"] for item in everything if belongs(item["fixture"])]
    assert [item["fixture"] for item in listed] == expected


def _clubs(fixture: dict[str, Any]) -> tuple[str, str]:
    return fixture["home_team"]["id"], fixture["away_team"]["id"]


def test_matches_are_listed_without_a_key(furnished: House) -> None:
    with served(app()) as client:
        items = walk(client, "/matches/?limit=50")
        assert [item["match_id"] for item in items] == [g.id for g in sorted(house.games(), key=_position)]
        finished = walk(client, "/matches?status=finished&tournament=la+liga&date_to=2024-03-01")
        expected = [
            g for g in sorted(house.games(), key=_position)
            if g.score and g.tournament == house.SPAIN and g.kickoff_at.isoformat() < "2024-03-02"
        ]  # fmt: skip
        assert expected
        assert [(m["match_id"], m["home_goals"], m["away_goals"]) for m in finished] == [
            (g.id, *(g.score or ())) for g in expected
        ]
        assert_problem(client.get("/predict/"), 401, "X-API-Key")


def _position(game: house.Game) -> tuple[Any, int]:
    return game.kickoff_at, game.id


@settings(max_examples=15, deadline=None)
@given(
    limit=st.sampled_from([1, 2, 7, 50, 200]), path=st.sampled_from(["/matches/", "/predict/", "/matches", "/predict"])
)
def test_a_walk_meets_every_item_once_in_order(lookup: httpx.Client, limit: int, path: str) -> None:
    ids = [(i.get("fixture") or i)["match_id"] for i in walk(lookup, f"{path}?limit={limit}")]
    everything = [(i.get("fixture") or i) for i in walk(lookup, f"{path}?limit=200")]
    assert ids == [i["match_id"] for i in sorted(everything, key=lambda i: (i["kickoff_at"], i["match_id"]))]
    assert len(set(ids)) == len(ids) > 0


@pytest.mark.parametrize(
    ("path", "status", "field", "words"),
    [
        ("/predict/?limit=0", 422, "limit", ">= 1"),
        ("/predict/?limit=201", 422, "limit", "<= 200"),
        ("/matches/?limit=x", 422, "limit", "integer"),
        ("/matches/?cursor=xyz", 422, "cursor", "start again without one"),
        ("/predict/?cursor=xyz", 422, "cursor", "start again without one"),
        ("/matches/?date_from=2025-13-01", 422, "date_from", "is no date that exists"),
        ("/predict/?date_to=tomorrow", 422, "date_to", "is no date that exists"),
        ("/matches/?status=lost", 422, "status", "give one of upcoming"),
        ("/matches/?tournament=Nowhere", 404, "tournament", "known are"),
        ("/predict/?team=Gate", 422, "team", "add tournament"),
        ("/predict/?team=Gaet&tournament=premier%20league", 404, "team", "did you mean"),
    ],
)
def test_bad_queries_name_field_and_remedy(
    lookup: httpx.Client, path: str, status: int, field: str, words: str
) -> None:
    assert_problem(lookup.get(path), status, field, words)


def test_without_a_snapshot_forecasts_are_unavailable_and_matches_are_not(here: House) -> None:
    here.promote(1)
    here.fill_database()
    with served(app(), here.key("predict")) as client:
        assert_problem(client.get("/readyz"), 503, "snapshot", "no state snapshot yet")
        assert_problem(client.get("/predict/1"), 503, None, "no state snapshot yet")
        assert client.get("/matches/?tournament=spain:la-liga").status_code == 200


def test_without_a_database_forecasts_cannot_be_guarded_and_matches_say_why(here: House, tmp_path: Path) -> None:
    here.publish(1, tmp_path)
    with served(app(), "mc_any") as client:
        assert_problem(client.get("/matches/"), 503, None, "run `matchcast migrate`")
        assert_problem(client.get("/predict/1"), 503, None, "run `matchcast migrate`")
