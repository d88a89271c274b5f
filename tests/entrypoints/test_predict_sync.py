"""POST /predict/ and GET /predict/model/info."""

import time
from dataclasses import replace
from math import log

import httpx
import pytest

from functions.predict_sync.main import app
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.model.bundle import load_bundle, pack_bundle
from tests.entrypoints import house
from tests.entrypoints.house import House
from tests.entrypoints.served import PAIRING, assert_problem, served


def test_a_pairing_is_forecast_with_all_that_is_needed_to_make_it_again(
    predict_sync: httpx.Client, standing: House
) -> None:
    answer = predict_sync.post("/predict/", json=PAIRING)
    assert answer.status_code == 200
    body = answer.json()
    bundle = load_bundle(house.bundle_files(1))
    assert body["fixture"]["home_team"] == {"id": "england:northgate-united", "name": "Northgate United"}
    assert (body["model_version"], body["run_id"]) == (bundle.version, bundle.run_id)
    assert body["snapshot"]["hash"] == house.passed().state.hash
    assert 9 * 3600 <= body["snapshot"]["age_seconds"] < 10 * 3600  # its clock began at nine
    assert sum(body["probabilities"].values()) == pytest.approx(1)
    assert body["predicted"] == max(body["probabilities"], key=body["probabilities"].get)
    assert body["ledger"] == "written"
    row = SqlLedger(Database(standing.database_url)).find(body["forecast_id"])
    assert row is not None
    assert row.forecast.probabilities._asdict() == body["probabilities"]
    assert row.forecast.as_of.isoformat().replace("+00:00", "Z") == body["as_of"]


def test_a_known_fixture_is_forecast_by_its_id(predict_sync: httpx.Client) -> None:
    fixture = next(f for f in house.fixtures() if f.kickoff_at > house.NOW)
    answer = predict_sync.post("/predict", json={"match_id": fixture.match_id})
    assert answer.status_code == 200
    assert answer.json()["fixture"]["match_id"] == fixture.match_id


def test_fair_odds_come_with_the_forecast_where_they_are_asked_for(predict_sync: httpx.Client) -> None:
    body = predict_sync.post("/predict/", json=PAIRING | {"fair_odds": True}).json()
    assert body["fair_odds"] == {outcome: 1 / prob for outcome, prob in body["probabilities"].items()}
    assert predict_sync.post("/predict/", json=PAIRING).json()["fair_odds"] is None
    assert_problem(predict_sync.post("/predict/", json=PAIRING | {"fair_odds": "yes"}), 422, "fair_odds", "boolean")


def test_an_explanation_adds_up_to_the_forecast_it_comes_with(predict_sync: httpx.Client) -> None:
    body = predict_sync.post("/predict/", json=PAIRING | {"explain": True}).json()
    told = body["explanation"]
    families = {feature.family for feature in house.contract().features}
    assert {effect["family"] for effect in told["families"]} == families
    logs = {outcome: log(prob) for outcome, prob in body["probabilities"].items()}
    for outcome, wanted in logs.items():
        total = told["base"][outcome] + sum(effect[outcome] for effect in told["families"])
        assert total == pytest.approx(wanted - sum(logs.values()) / 3, abs=1e-9)
    sizes = [sum(abs(effect[outcome]) for outcome in logs) for effect in told["families"]]
    assert sizes == sorted(sizes, reverse=True)
    assert "Shapley" in told["method"]
    plain = predict_sync.post("/predict/", json=PAIRING).json()
    assert (plain["explanation"], plain["probabilities"]) == (None, body["probabilities"])
    assert_problem(predict_sync.post("/predict/", json=PAIRING | {"explain": 1}), 422, "explain", "boolean")


def test_an_interval_holds_the_forecast_and_says_how_often_it_held(predict_sync: httpx.Client) -> None:
    body = predict_sync.post("/predict/", json=PAIRING | {"interval": True}).json()
    told = body["interval"]
    assert (told["level"], told["reference"], told["coverage"]) == (0.8, "closing odds", 0.78)
    for outcome, prob in body["probabilities"].items():
        low, high = told[outcome]
        assert 0 < low < prob < high < 1
    assert predict_sync.post("/predict/", json=PAIRING).json()["interval"] is None
    info = predict_sync.get("/predict/model/info").json()["interval"]
    assert info == {
        "level": 0.8, "reference": "closing odds", "matches": 900, "coverage": 0.78, "measured_on": 300,
    }  # fmt: skip


def test_a_model_without_a_measured_interval_gives_none(furnished: House) -> None:
    furnished.promote(2)
    with served(app(), furnished.key("predict")) as client:
        body = client.post("/predict/", json=PAIRING | {"interval": True, "explain": True}).json()
        assert body["interval"] is None
        assert body["explanation"] is not None
        assert client.get("/predict/model/info").json()["interval"] is None


def test_a_request_that_fails_leaves_no_row_in_the_ledger(furnished: House) -> None:
    """Every hash of this bundle is right, but no interval can be made with it: nobody was shown a forecast."""
    files = house.bundle_files(1)
    made = load_bundle(files)
    assert made.interval is not None
    rows = house.passed().rows[:5]
    broken = pack_bundle(
        made.forecaster, b"", house.contract(), {}, rows, made.predict(rows),
        run_id="r", trained_from="", trained_until="", data_version="", code_revision="", params_hash="", created_at="",
        interval=replace(made.interval, scale=(1.5, 1.2)),  # type: ignore[arg-type]
    )  # fmt: skip
    furnished.promote_unchecked(broken)
    ledger = SqlLedger(Database(furnished.database_url))
    with served(app(), furnished.key("predict")) as client:
        before = len(list(ledger.rows()))
        assert_problem(client.post("/predict/", json={**PAIRING, "interval": True}), 500)
        assert len(list(ledger.rows())) == before
        assert client.post("/predict/", json=PAIRING).status_code == 200
        assert len(list(ledger.rows())) == before + 1


def test_a_forecast_says_how_much_is_known_of_the_clubs(predict_sync: httpx.Client) -> None:
    known = predict_sync.post("/predict/", json=PAIRING).json()["coverage"]
    assert (known["home_matches"] > 12, known["away_matches"] > 12, known["little_history"]) == (True, True, False)
    newcomer = predict_sync.post("/predict/", json=PAIRING | {"home_team": "Newtown"}).json()["coverage"]
    assert (newcomer["home_matches"], newcomer["little_history"]) == (0, True)
    assert newcomer["features_known"] < known["features_known"]


def test_a_kick_off_given_as_a_day_is_one_whose_time_is_not_known(predict_sync: httpx.Client) -> None:
    for today, known in (("2025-03-01", False), ("2025-03-02T00:00:00Z", True)):
        answer = predict_sync.post("/predict/", json=PAIRING | {"kickoff_at": today})
        assert answer.status_code == 200
        fixture = answer.json()["fixture"]
        assert (fixture["kickoff_at"], fixture["kickoff_known"]) == (f"{today[:10]}T00:00:00Z", known)
    begun = predict_sync.post("/predict/", json=PAIRING | {"kickoff_at": "2025-03-01T00:00:00Z"})
    assert_problem(begun, 422, "kickoff_at", "before kick-off")


def test_the_model_in_use_is_described(furnished: House) -> None:
    with served(app(), furnished.key("predict")) as client:
        answer = client.get("/predict/model/info")
        body = answer.json()
        assert (body["name"], body["aliases"], body["loaded"]) == ("matchcast", ["champion"], True)
        assert (body["run_id"], body["trained_until"]) == ("run1", "2025-02-28")
        known = {"If-None-Match": answer.headers["etag"]}
        assert client.get("/predict/model/info", headers=known).status_code == 304
        furnished.promote(2)
        time.sleep(1.1)
        assert client.get("/predict/model/info", headers=known).json()["run_id"] == "run2"


@pytest.mark.parametrize(
    ("body", "status", "field", "words"),
    [
        (PAIRING | {"home_team": "Nortgate"}, 404, "home_team", "did you mean Northgate United"),
        (PAIRING | {"tournament": "Serie A"}, 404, "tournament", "known are england:premier-league"),
        (PAIRING | {"kickoff_at": "2025-02-30"}, 422, "kickoff_at", "is no date that exists"),
        (PAIRING | {"kickoff_at": "soon"}, 422, "kickoff_at", "is no date that exists"),
        (PAIRING | {"kickoff_at": "2025-03-09T15:00:00"}, 422, "kickoff_at", "end it with Z"),
        (PAIRING | {"kickoff_at": 5}, 422, "kickoff_at", "expected string"),
        (PAIRING | {"kickoff_at": "0001-01-01T00:00:00+14:00"}, 422, "kickoff_at", "between 1870 and 2200"),
        (PAIRING | {"kickoff_at": "2025-02-01"}, 422, "kickoff_at", "before kick-off"),
        (PAIRING | {"kickoff_at": "2027-01-01"}, 422, "kickoff_at", "366 days"),
        (PAIRING | {"away_team": "northgate utd"}, 422, "away_team", "two different clubs"),
        (PAIRING | {"season": 1999}, 422, "season", "2024 or 2025"),
        (PAIRING | {"home_elo": 1500}, 422, "home_elo", "leave it out"),
        (PAIRING | {"home_team": " "}, 422, "home_team", "is blank"),
        (PAIRING | {"home_team": "x" * 201}, 422, "home_team", "<= 200"),
        ({k: v for k, v in PAIRING.items() if k != "kickoff_at"}, 422, "body", "add kickoff_at"),
        ({"match_id": 1}, 404, None, "GET /predict/ lists"),
        ({"match_id": "1"}, 422, "match_id", "integer"),
        ({"match_id": 2**60}, 422, "match_id", "<= 9007199254740991"),
        ({"match_id": 1, "home_team": "Gate"}, 422, "match_id", "leave out home_team"),
        ([], 422, "body", "is no JSON object"),
        ({}, 422, "body", "give match_id, or home_team"),
    ],
)
def test_bad_input_names_field_and_remedy(
    predict_sync: httpx.Client, body: object, status: int, field: str | None, words: str
) -> None:
    assert_problem(predict_sync.post("/predict/", json=body), status, field, words)


def test_what_is_no_json_is_said_to_be_none(predict_sync: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    assert_problem(predict_sync.post("/predict/", content=b"{", headers=headers), 422, "body", "is not JSON")
    assert_problem(predict_sync.post("/predict/", content=b"\xff", headers=headers), 422, "body", "is not JSON")
    assert_problem(predict_sync.post("/predict/"), 422, "body", "is missing")
    deep = b'{"a":' * 20_000
    assert_problem(predict_sync.post("/predict/", content=deep, headers=headers), 422, "body", "JSON")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert_problem(predict_sync.post("/predict/", content=b"{}", headers=form), 415, None, "as application/json")


def test_an_oversized_body_is_refused_declared_or_not(predict_sync: httpx.Client) -> None:
    big = b'{"home_team": "' + b"x" * 300_000 + b'"}'
    assert_problem(predict_sync.post("/predict/", content=big), 413, None, "send a smaller one")
    assert_problem(predict_sync.post("/predict/", content=iter([big[:200_000], big[200_000:]])), 413)


def test_a_request_without_a_key_or_with_a_wrong_one_is_refused(predict_sync: httpx.Client) -> None:
    for key in ("", "wrong", "mc_0_0", "\xe9"):
        answer = predict_sync.post("/predict/", json=PAIRING, headers=[(b"X-API-Key", key.encode("latin-1"))])
        assert_problem(answer, 401, "X-API-Key", "matchcast keys create")
        assert answer.headers["www-authenticate"] == "ApiKey"


def test_a_key_without_the_scope_is_refused(furnished: House) -> None:
    with served(app(), furnished.key("ingest")) as client:
        assert_problem(client.post("/predict/", json=PAIRING), 403, "X-API-Key", "lacks the scope predict")


def test_a_request_id_is_echoed_and_a_bad_one_replaced(predict_sync: httpx.Client) -> None:
    assert predict_sync.get("/livez", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert predict_sync.get("/livez", headers={"X-Request-ID": "a b"}).headers["x-request-id"] != "a b"


def test_the_frameworks_errors_are_problems_too(predict_sync: httpx.Client) -> None:
    assert_problem(predict_sync.get("/nothing"), 404, None, "/docs lists the routes")
    answer = predict_sync.get("/predict/")
    assert_problem(answer, 405)
    assert answer.headers["allow"] == "POST"


def test_health_is_open(predict_sync: httpx.Client) -> None:
    for path in ("/livez", "/readyz", "/readyz/", "/healthcheck/", "/healthcheck", "/metrics", "/openapi.json"):
        assert httpx.get(predict_sync.base_url.join(path)).status_code == 200


def test_metrics_count_by_route_and_tell_the_model(furnished: House) -> None:
    with served(app(), furnished.key("predict")) as client:
        client.post("/predict/", json=PAIRING)
        client.post("/predict", json={})
        client.get("/nothing")
        text = client.get("/metrics").text
    version = load_bundle(house.bundle_files(1)).version
    for line in (
        'http_requests_total{method="POST",path="/predict/",status="200"} 1.0',
        'http_requests_total{method="POST",path="/predict/",status="422"} 1.0',
        'http_requests_total{method="GET",path="unmatched",status="404"} 1.0',
        'prediction_requests_total{source="sync"} 1.0',
        "prediction_duration_seconds_count 1.0",
        f'model_info{{model_name="matchcast",stage="champion",version="{version}"}} 1.0',
        "model_registered_at_seconds 1.7408196e+09",
    ):
        assert line in text
