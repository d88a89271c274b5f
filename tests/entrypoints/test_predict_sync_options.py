"""POST /predict/ for several matches, by other models, and under assumptions."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import httpx
import pytest

from functions.predict_sync.main import app, build
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.ledger import SqlLedger
from matchcast.adapters.objects_folder import FolderStore
from matchcast.domain.forecast import Cause
from matchcast.model.bundle import load_bundle
from matchcast.settings import PredictSyncSettings, read_settings
from matchcast.usecases.champion import bundle_prefix, end_challenge, set_challenger
from matchcast.web.connections import Connections
from tests.entrypoints import house
from tests.entrypoints.house import NOW, House, bundle_files
from tests.entrypoints.served import PAIRING, assert_problem, served

TURNED = PAIRING | {"home_team": PAIRING["away_team"], "away_team": PAIRING["home_team"]}
VERSIONS = {seed: load_bundle(bundle_files(seed)).version for seed in (1, 2, 3)}


def known_fixtures() -> list[int]:
    return [fixture.match_id or 0 for fixture in house.fixtures() if fixture.kickoff_at > NOW]


def posted(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/predict/", json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def without_age(forecast: dict[str, Any]) -> dict[str, Any]:
    return forecast | {"snapshot": forecast["snapshot"] | {"age_seconds": None}}


def test_a_forecast_asked_for_again_is_the_one_in_the_ledger(furnished: House) -> None:
    key = furnished.key("predict")
    with served(app(), key) as client:
        first, again = (posted(client, **PAIRING) for _ in range(2))
        assert without_age(again) == without_age(first)
        with_more = posted(client, **PAIRING, explain=True, interval=True, fair_odds=True)
        assert (with_more["forecast_id"], with_more["as_of"]) == (first["forecast_id"], first["as_of"])
        assert with_more["explanation"] and with_more["interval"] and with_more["fair_odds"]
    rows = list(SqlLedger(Database(furnished.database_url)).rows())
    assert [row.forecast_id for row in rows] == [first["forecast_id"]]


def test_many_matches_are_forecast_in_one_request_in_their_order(furnished: House) -> None:
    asked = [{"match_id": match_id} for match_id in known_fixtures()] * 20
    with served(app(), furnished.key("predict")) as client:
        items = posted(client, matches=asked[:200])["items"]
        alone = posted(client, **asked[3])
    assert [item["forecast"]["fixture"]["match_id"] for item in items] == [one["match_id"] for one in asked[:200]]
    assert all(item["problem"] is None for item in items)
    assert without_age(items[3]["forecast"]) == without_age(alone)
    rows = list(SqlLedger(Database(furnished.database_url)).rows())
    assert len(rows) == len(set(known_fixtures()))


def test_what_is_wrong_with_one_match_is_told_in_its_place(predict_sync: httpx.Client) -> None:
    asked = [
        PAIRING,
        PAIRING | {"home_team": "Northgate Unitde"},
        {"match_id": 1},
        {"match_id": 1, "home_team": "Gate"},
        {},
        TURNED | {"assume": {"neutral_venue": True}},
        PAIRING | {"kickoff_at": "2020-01-01"},
    ]
    items = posted(predict_sync, matches=asked)["items"]
    statuses = [item["problem"] and item["problem"]["status"] for item in items]
    assert statuses == [None, 404, 404, 422, 422, None, 422]
    assert "Northgate United" in items[1]["problem"]["suggestions"]
    assert [item["forecast"] is None for item in items] == [status is not None for status in statuses]
    assert items[6]["problem"]["errors"][0]["field"] == "kickoff_at"
    assert items[0]["forecast"]["ledger"] == "written"
    assert items[5]["forecast"]["ledger"] == "hypothetical"


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"matches": []}, "matches", "length >= 1"),
        ({"matches": [PAIRING] * 201}, "matches", "length <= 200"),
        ({"matches": [PAIRING], "match_id": 1}, "matches", "leave out match_id"),
        ({"matches": [PAIRING | {"explain": True}]}, "matches", "explain"),
        (PAIRING | {"assume": {"home_rest_days": 0}}, "assume", "home_rest_days"),
        (PAIRING | {"assume": {"away_rest_days": 22}}, "assume", "away_rest_days"),
        (PAIRING | {"assume": {}}, "assume", "changes nothing"),
        (PAIRING | {"assume": {"neutral_venue": False}}, "assume", "changes nothing"),
        (PAIRING | {"assume": {"weather": "rain"}}, "assume", "weather"),
        (PAIRING | {"assume": {"neutral_venue": True}, "explain": True}, "explain", "leave it or assume out"),
        ({"matches": [PAIRING | {"assume": {}}], "interval": True}, "interval", "leave it or assume out"),
        (PAIRING | {"model": ""}, "model", ""),
        (PAIRING | {"model": 7}, "model", "string"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_its_field(
    predict_sync: httpx.Client, body: dict[str, Any], field: str, words: str
) -> None:
    answer = predict_sync.post("/predict/", json=body)
    told = assert_problem(answer, 422, None, words)
    assert told["errors"][0]["field"].startswith(field)


def test_a_match_under_an_assumption_says_so_and_is_in_no_ledger(furnished: House) -> None:
    with served(app(), furnished.key("predict")) as client:
        this = posted(client, **PAIRING, assume={"neutral_venue": True, "home_rest_days": 3})
        that = posted(client, **TURNED, assume={"neutral_venue": True, "away_rest_days": 3}, fair_odds=True)
        plain = posted(client, **PAIRING)
    assert this["hypothetical"] == {"neutral_venue": True, "home_rest_days": 3, "away_rest_days": None}
    assert (this["ledger"], this["forecast_id"], this["cause"]) == ("hypothetical", None, None)
    assert this["probabilities"] == {
        "home": that["probabilities"]["away"],
        "draw": that["probabilities"]["draw"],
        "away": that["probabilities"]["home"],
    }
    assert that["fair_odds"]["home"] == 1 / that["probabilities"]["home"]
    assert (plain["hypothetical"], plain["forecast_id"]) == (None, 1)
    assert this["probabilities"] != plain["probabilities"]
    assert this["coverage"] == plain["coverage"]


def test_champion_challenger_and_versions_answer_and_only_the_champion_is_settled(furnished: House) -> None:
    set_challenger(furnished.objects, bundle_files(2), NOW.isoformat(), NOW.isoformat())
    for name, content in bundle_files(3).items():
        furnished.objects.put(bundle_prefix(VERSIONS[3]) + name, content)
    with served(app(), furnished.key("predict")) as client:
        for model, seed in (("champion", 1), ("challenger", 2), (VERSIONS[3], 3), (VERSIONS[1], 1), (VERSIONS[2], 2)):
            told = posted(client, **PAIRING, model=model)
            assert told["model_version"] == VERSIONS[seed]
            assert told["run_id"] == f"run{seed}"
            assert told["cause"] == ("requested" if seed == 1 else "compared")
    rows = list(SqlLedger(Database(furnished.database_url)).rows())
    assert [(row.forecast.model_version, row.forecast.cause) for row in rows] == [
        (VERSIONS[1], Cause.REQUESTED),
        (VERSIONS[2], Cause.COMPARED),
        (VERSIONS[3], Cause.COMPARED),
    ]


def test_versions_looked_for_in_a_slow_store_hold_up_nobody_who_asks_for_the_champion(furnished: House) -> None:
    """Sixty requests are more than there are threads."""
    to, go_on = Connections(read_settings(PredictSyncSettings, furnished.environment)), Event()

    class Slow(FolderStore):
        def get(self, key: str, *, largest: int | None = None) -> bytes:
            assert go_on.wait(60)
            return super().get(key, largest=largest)

    web = build(
        champion=to.champion(), challenger=to.challenger(), objects=lambda: Slow(furnished.folder / "objects"),
        published=to.snapshot(), ledger=to.ledger_end, cache=lambda: to.shared, terms=to.terms,
        telemetry=to.telemetry(), now=to.now, code_revision=lambda: "c1",
    )  # fmt: skip
    with served(web, furnished.key("predict")) as client, ThreadPoolExecutor(60) as pool:
        client.get("/predict/model/info")
        asked = [pool.submit(client.post, "/predict/", json=PAIRING | {"model": f"{n:016x}"}) for n in range(60)]
        time.sleep(0.5)
        assert posted(client, **PAIRING)["model_version"] == VERSIONS[1]
        assert not any(one.done() for one in asked)
        go_on.set()
        assert {one.result().status_code for one in asked} == {404}


def test_a_model_that_is_not_there_is_not_found(furnished: House) -> None:
    with served(app(), furnished.key("predict")) as client:
        for model in ("challenger", "0123456789abcdef", "../champion"):
            assert_problem(client.post("/predict/", json=PAIRING | {"model": model}), 404, None, "model: ")
        set_challenger(furnished.objects, bundle_files(2), NOW.isoformat(), NOW.isoformat())
        end_challenge(furnished.objects)
        assert_problem(
            client.post("/predict/", json=PAIRING | {"model": "challenger"}), 404, None, "there is no challenger"
        )
        assert posted(client, **PAIRING)["model_version"] == VERSIONS[1]
