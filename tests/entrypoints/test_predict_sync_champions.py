"""predict-sync while its champion, database or store is missing, damaged or changing."""

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from functions.predict_sync.main import app
from matchcast.model.bundle import load_bundle
from matchcast.usecases.champion import CHAMPION_KEY
from tests.entrypoints import house
from tests.entrypoints.house import House
from tests.entrypoints.served import PAIRING, assert_problem, served


def test_an_instance_without_a_champion_is_alive_and_not_ready(here: House, tmp_path: Path) -> None:
    here.publish(1, tmp_path)
    here.fill_database()
    with served(app(), here.key("predict")) as client:
        assert client.get("/livez").status_code == 200
        for path in ("/readyz", "/healthcheck/"):
            assert_problem(client.get(path), 503, "model", "no champion yet")
        answer = client.post("/predict/", json=PAIRING)
        assert_problem(answer, 503, None, "no champion yet: run `make demo` or `matchcast promote VERSION`")
        assert int(answer.headers["retry-after"]) > 0
        here.promote(1)
        time.sleep(1.1)
        assert client.get("/readyz").status_code == 200
        assert client.post("/predict/", json=PAIRING).status_code == 200


def test_an_instance_with_a_damaged_bundle_says_which_file(furnished: House) -> None:
    pointer = furnished.promote(2)
    content = bytearray(furnished.objects.get(f"{pointer.prefix}trees.npz"))
    content[100] ^= 1
    furnished.objects.put(f"{pointer.prefix}trees.npz", bytes(content))
    with served(app(), furnished.key("predict")) as client:
        assert_problem(client.post("/predict/", json=PAIRING), 503, None, "trees.npz of model bundle")


def test_a_cold_instance_with_a_champion_made_by_later_code_says_so(furnished: House) -> None:
    furnished.promote_unchecked(house.bundle_files(2, later=True))
    with served(app(), furnished.key("predict")) as client:
        assert client.get("/livez").status_code == 200
        for path in ("/readyz", "/healthcheck/"):
            assert_problem(client.get(path), 503, "model", "matchcast promote")
        assert_problem(client.post("/predict/", json=PAIRING), 503, None, "half_life")


def test_a_warm_instance_goes_on_while_the_champion_is_one_made_by_later_code(furnished: House) -> None:
    with served(app(), furnished.key("predict")) as client:
        before = client.post("/predict/", json=PAIRING).json()
        furnished.promote_unchecked(house.bundle_files(2, later=True))
        time.sleep(1.1)
        assert client.get("/readyz").status_code == 200
        after = client.post("/predict/", json=PAIRING).json()
        assert (after["model_version"], after["probabilities"]) == (before["model_version"], before["probabilities"])


def test_an_instance_with_a_missing_bundle_says_which_file(furnished: House) -> None:
    pointer = furnished.promote(2)
    shutil.rmtree(furnished.folder / "objects" / pointer.prefix)
    with served(app(), furnished.key("predict")) as client:
        assert_problem(client.post("/predict/", json=PAIRING), 503, None, "is missing: run `matchcast promote")


def test_a_warm_instance_answers_without_its_database_and_says_so(furnished: House) -> None:
    with served(app(), furnished.key("predict")) as client:
        written = client.post("/predict/", json=PAIRING).json()
        assert written["ledger"] == "written"
        with closing(sqlite3.connect(furnished.folder / "matchcast.db")) as connection:
            connection.execute("ALTER TABLE forecasts RENAME TO gone")
            connection.execute("ALTER TABLE api_keys RENAME TO gone_too")
            connection.commit()
        time.sleep(5.1)  # keys are read again
        other = PAIRING | {"home_team": PAIRING["away_team"], "away_team": PAIRING["home_team"]}
        for _ in range(2):
            body = client.post("/predict/", json=other).json()
            assert (body["ledger"], body["forecast_id"]) == ("behind", None)
        again = client.post("/predict/", json=PAIRING).json()
        assert (again["ledger"], again["forecast_id"]) == ("written", written["forecast_id"])
        assert sum(body["probabilities"].values()) == pytest.approx(1)


def test_a_cold_instance_starts_from_its_last_copy_while_the_store_is_away(furnished: House) -> None:
    key = furnished.key("predict")
    with served(app(), key) as client:
        first = client.post("/predict/", json=PAIRING).json()
    shutil.rmtree(furnished.folder / "objects")
    with served(app(), key) as client:
        assert client.post("/predict/", json=PAIRING).json()["probabilities"] == first["probabilities"]


def test_a_cold_instance_without_store_and_copy_says_so(furnished: House) -> None:
    shutil.rmtree(furnished.folder / "objects")
    with served(app(), furnished.key("predict")) as client:
        assert_problem(client.post("/predict/", json=PAIRING), 503, None, "does not exist")


def test_no_request_fails_and_no_answer_is_mixed_while_champions_are_swapped(furnished: House) -> None:
    """Under load, each answer's probabilities are those of the version it names."""
    expected: dict[str, Any] = {}
    answers: list[httpx.Response] = []
    stop = False

    def load(client: httpx.Client) -> None:
        with httpx.Client(base_url=client.base_url, headers=client.headers) as own:
            while not stop:
                answers.append(own.post("/predict/", json=PAIRING))

    with served(app(), furnished.key("predict")) as client:
        body = client.post("/predict/", json=PAIRING).json()
        expected[body["model_version"]] = body["probabilities"]
        threads = [Thread(target=load, args=(client,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for seed in (2, 3, 1):
            furnished.promote(seed)
            version = load_bundle(house.bundle_files(seed)).version
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                body = client.post("/predict/", json=PAIRING).json()
                if body["model_version"] == version:
                    break
            assert body["model_version"] == version
            expected[version] = body["probabilities"]
        stop = True
        for thread in threads:
            thread.join()
    assert len(expected) == 3
    assert {answer.status_code for answer in answers} == {200}
    bodies = [answer.json() for answer in answers]
    assert {body["model_version"] for body in bodies} == set(expected)
    assert all(body["probabilities"] == expected[body["model_version"]] for body in bodies)


def test_a_broken_promotion_leaves_the_old_champion_serving_and_is_told(furnished: House) -> None:
    with served(app(), furnished.key("predict")) as client:
        before = client.post("/predict/", json=PAIRING).json()
        furnished.objects.put(CHAMPION_KEY, b'{"version": "half')
        deadline = time.monotonic() + 20
        while "champion" not in (behind := client.get("/readyz").json()["behind"]):
            assert time.monotonic() < deadline, "it was not told"
            time.sleep(0.05)
        assert "champion.json cannot be read" in behind["champion"]
        assert 'matchcast_dependency_up{dependency="champion"} 0.0' in client.get("/metrics").text
        after = client.post("/predict/", json=PAIRING)
        assert after.status_code == 200
        assert after.json()["model_version"] == before["model_version"]
