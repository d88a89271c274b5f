"""Which model answers to which name."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from matchcast.adapters.objects_folder import FolderStore
from matchcast.errors import BundleBroken, NotFound, Unavailable
from matchcast.model.bundle import load_bundle
from matchcast.ports import ObjectStore
from matchcast.usecases.champion import (
    CHALLENGER_KEY,
    bundle_prefix,
    end_challenge,
    load_champion,
    set_challenger,
)
from matchcast.usecases.models import Models, load_challenger
from tests.entrypoints.house import NOW, House, bundle_files

VERSIONS = {seed: load_bundle(bundle_files(seed)).version for seed in range(1, 9)}


@pytest.fixture
def here(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.promote(1)
    return house


def models_of(here: House) -> Models:
    return Models(lambda: load_champion(here.objects), lambda: load_challenger(here.objects), lambda: here.objects)


def challenge(here: House, seed: int) -> None:
    set_challenger(here.objects, bundle_files(seed), NOW.isoformat(), NOW.isoformat())


def shelve(here: House, seed: int) -> None:
    """As a champion of former days is left in the store."""
    for name, content in bundle_files(seed).items():
        here.objects.put(bundle_prefix(VERSIONS[seed]) + name, content)


def test_champion_challenger_and_any_version_in_the_store_answer_to_their_names(here: House) -> None:
    challenge(here, 2)
    shelve(here, 3)
    models = models_of(here)
    asked = ("champion", "challenger", VERSIONS[1], VERSIONS[2], VERSIONS[3])
    assert [models.find(name, NOW).version for name in asked] == [VERSIONS[seed] for seed in (1, 2, 1, 2, 3)]


def test_a_challenge_that_ended_leaves_no_challenger(here: House) -> None:
    end_challenge(here.objects)
    assert here.objects.etag(CHALLENGER_KEY) is None
    challenge(here, 2)
    end_challenge(here.objects)
    assert load_challenger(here.objects).model is None
    with pytest.raises(NotFound, match=r"^model: there is no challenger now; .*`matchcast models`"):
        models_of(here).find("challenger", NOW)
    assert models_of(here).find(VERSIONS[2], NOW).version == VERSIONS[2]


@pytest.mark.parametrize("name", ["", "0" * 16, "../champion", "CHAMPION", "f" * 15, "x" * 1000, "models/\n"])
def test_a_name_that_no_model_goes_by_is_not_found_with_the_remedy(here: House, name: str) -> None:
    with pytest.raises(NotFound, match=r"^model: no model goes by .*`matchcast models`") as caught:
        models_of(here).find(name, NOW)
    assert len(str(caught.value)) < 300


def test_a_bundle_in_another_ones_place_is_refused(here: House) -> None:
    for name, content in bundle_files(2).items():
        here.objects.put(bundle_prefix(VERSIONS[3]) + name, content)
    with pytest.raises(BundleBroken, match=f"matchcast promote {VERSIONS[3]}"):
        models_of(here).find(VERSIONS[3], NOW)


def test_a_damaged_bundle_is_refused_and_answers_once_it_is_mended(here: House) -> None:
    shelve(here, 2)
    key = bundle_prefix(VERSIONS[2]) + "trees.npz"
    whole = here.objects.get(key)
    here.objects.put(key, whole[:-1])
    models = models_of(here)
    with pytest.raises(BundleBroken, match=r"trees\.npz"):
        models.find(VERSIONS[2], NOW)
    here.objects.put(key, whole)
    assert models.find(VERSIONS[2], NOW).version == VERSIONS[2]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}"])
def test_a_challenger_that_cannot_be_read_leaves_the_champion_alone(here: House, content: bytes) -> None:
    here.objects.put(CHALLENGER_KEY, content)
    with pytest.raises(BundleBroken, match=r"challenger\.json cannot be read .* `matchcast challenge VERSION`"):
        models_of(here).find("challenger", NOW)
    assert models_of(here).find("champion", NOW).version == VERSIONS[1]


def test_a_model_stays_loaded_while_the_store_is_away_until_four_others_were_asked_for(here: House) -> None:
    for seed in range(2, 7):
        shelve(here, seed)
    champion, away = load_champion(here.objects), False

    def objects() -> ObjectStore:
        if away:
            raise Unavailable("the store is away")
        return here.objects

    models = Models(lambda: champion, lambda: load_challenger(here.objects), objects)
    for seed in range(2, 6):
        models.find(VERSIONS[seed], NOW)
    models.find(VERSIONS[2], NOW)
    models.find(VERSIONS[6], NOW)
    away = True
    assert [models.find(VERSIONS[seed], NOW).version for seed in (2, 4, 5, 6)] == [
        VERSIONS[seed] for seed in (2, 4, 5, 6)
    ]
    with pytest.raises(Unavailable, match="away"):
        models.find(VERSIONS[3], NOW)


def test_a_version_that_is_not_there_is_looked_for_once_in_five_seconds(here: House) -> None:
    opened = []

    def objects() -> ObjectStore:
        opened.append(1)
        return here.objects

    models = Models(lambda: load_champion(here.objects), lambda: load_challenger(here.objects), objects)
    for seconds in (0, 1, 4.9):
        with pytest.raises(NotFound, match="no model goes by"):
            models.find(VERSIONS[2], NOW + timedelta(seconds=seconds))
    assert len(opened) == 1
    shelve(here, 2)
    assert models.find(VERSIONS[2], NOW + timedelta(seconds=5)).version == VERSIONS[2]
    assert models.find(VERSIONS[2], NOW).version == VERSIONS[2]
    assert len(opened) == 2


def test_what_is_loaded_is_told_without_waiting_for_what_is_being_loaded(here: House) -> None:
    asked, go_on = Event(), Event()

    class Slow(FolderStore):
        def get(self, key: str, *, largest: int | None = None) -> bytes:
            if VERSIONS[3] in key:
                asked.set()
                assert go_on.wait(30)
            return super().get(key, largest=largest)

    shelve(here, 2)
    shelve(here, 3)
    store = Slow(here.folder / "objects")
    models = Models(lambda: load_champion(store), lambda: load_challenger(store), lambda: store)
    assert models.loaded(VERSIONS[2]) is None
    models.find(VERSIONS[2], NOW)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(models.find, VERSIONS[3], NOW)
        assert asked.wait(30)
        bundle = models.loaded(VERSIONS[2])
        assert bundle is not None
        assert bundle.version == VERSIONS[2]
        go_on.set()
        assert found.result(30).version == VERSIONS[3]
