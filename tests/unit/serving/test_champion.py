"""The champion and the published snapshot in the object store, whole and damaged."""

import gc
import json
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, enumerate

import pytest

from matchcast.adapters.objects_cache import CachedObjects
from matchcast.adapters.objects_folder import FolderStore
from matchcast.adapters.snapshot_file import open_snapshot
from matchcast.adapters.watched import Watched
from matchcast.errors import BundleBroken, SnapshotBroken, Unavailable
from matchcast.model.bundle import SERVED_FILES
from matchcast.ports import ObjectStore
from matchcast.usecases.champion import CHAMPION_KEY, Champion, ChampionPointer, load_champion, set_champion
from matchcast.usecases.publish import SNAPSHOT_KEY, Published, load_snapshot
from tests.entrypoints import house
from tests.entrypoints.house import House


@pytest.fixture
def here(tmp_path: Path) -> House:
    return House(tmp_path)


def open_published(here: House) -> Published:
    cached = CachedObjects(here.objects, here.cache)
    return load_snapshot(cached, lambda key, sha: open_snapshot(cached.file(key, sha)))


def test_a_promoted_bundle_is_the_champion(here: House) -> None:
    pointer = here.promote(1)
    champion = load_champion(here.objects)
    assert (champion.bundle.version, champion.pointer) == (pointer.version, pointer)


def test_no_champion_says_how_to_get_one(here: House) -> None:
    here.objects.put("other", b"")
    with pytest.raises(Unavailable, match="no champion yet: run `make demo` or `matchcast promote VERSION`"):
        load_champion(here.objects)


def test_no_store_says_how_to_get_one(here: House) -> None:
    with pytest.raises(Unavailable, match="make demo"):
        load_champion(here.objects)


HALF = json.dumps(dict.fromkeys(ChampionPointer.__annotations__, "\ud800")).encode()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"version": "x"}', b"\xff\xfe", HALF])
def test_a_half_written_pointer_is_refused(here: House, content: bytes) -> None:
    here.promote(1)
    here.objects.put(CHAMPION_KEY, content)
    with pytest.raises(BundleBroken, match=r"champion\.json cannot be read .* `matchcast promote VERSION`"):
        load_champion(here.objects)
    here.objects.put(SNAPSHOT_KEY, content)
    with pytest.raises(SnapshotBroken, match=r"current\.json cannot be read .* batch_inference"):
        open_published(here)


@pytest.mark.parametrize("name", ["registered_at", "promoted_at"])
@pytest.mark.parametrize("text", ["yesterday", "2025-03-01T00:00:00", "2025-03-01", "0"])
def test_a_pointer_whose_instants_cannot_be_told_is_refused(here: House, name: str, text: str) -> None:
    """Whoever loads it may rely on them: the model's age is one of the metrics."""
    here.promote(1)
    pointer = json.loads(here.objects.get(CHAMPION_KEY)) | {name: text}
    here.objects.put(CHAMPION_KEY, json.dumps(pointer).encode())
    with pytest.raises(BundleBroken, match=rf"champion\.json cannot be read \({name} '{text}' is no instant"):
        load_champion(here.objects)
    assert here.promote(2).promoted_at == house.NOW.isoformat()


@pytest.mark.parametrize("name", [*SERVED_FILES, "manifest.json"])
def test_a_bundle_with_one_byte_changed_is_refused(here: House, name: str) -> None:
    pointer = here.promote(1)
    content = bytearray(here.objects.get(pointer.prefix + name))
    content[len(content) // 2] ^= 1
    here.objects.put(pointer.prefix + name, bytes(content))
    with pytest.raises(BundleBroken):
        load_champion(here.objects)


@pytest.mark.parametrize("name", [*SERVED_FILES, "manifest.json"])
def test_a_missing_file_is_named(here: House, name: str) -> None:
    pointer = here.promote(1)
    (here.folder / "objects" / pointer.prefix / name).unlink()
    with pytest.raises(BundleBroken, match=f"{name} is missing"):
        load_champion(here.objects)


def test_a_broken_bundle_never_becomes_champion(here: House) -> None:
    before = here.promote(1)
    files = dict(house.bundle_files(2)) | {"linear.json": b"{}"}
    with pytest.raises(BundleBroken):
        set_champion(here.objects, files, "2025-03-01T00:00:00Z", "2025-03-01T00:00:00Z")
    assert load_champion(here.objects).pointer == before
    assert all(key.startswith(before.prefix) or key == CHAMPION_KEY for key in here.objects.keys("models/"))


def test_a_pointer_to_another_manifest_is_refused(here: House) -> None:
    here.promote(1)
    pointer = json.loads(here.objects.get(CHAMPION_KEY)) | {"manifest_sha256": "0" * 64}
    here.objects.put(CHAMPION_KEY, json.dumps(pointer).encode())
    with pytest.raises(BundleBroken, match="is not the manifest"):
        load_champion(here.objects)


def test_the_published_snapshot_is_found(here: House, tmp_path: Path) -> None:
    pointer = here.publish(1, tmp_path)
    published = open_published(here)
    assert published.pointer == pointer
    assert published.snapshot.state_hash == house.passed().state.hash


def test_a_missing_snapshot_file_is_named(here: House, tmp_path: Path) -> None:
    pointer = here.publish(1, tmp_path)
    (here.folder / "objects" / pointer.key).unlink()
    with pytest.raises(SnapshotBroken, match=r"which is missing.*batch_inference"):
        open_published(here)


def test_a_pointer_that_describes_another_snapshot_is_refused(here: House, tmp_path: Path) -> None:
    here.publish(1, tmp_path)
    pointer = json.loads(here.objects.get(SNAPSHOT_KEY)) | {"model_version": "another"}
    here.objects.put(SNAPSHOT_KEY, json.dumps(pointer).encode())
    with pytest.raises(SnapshotBroken, match="is not the snapshot"):
        open_published(here)


def test_promotions_go_forward_whatever_clocks_say(here: House) -> None:
    """A rollback is a promotion like any other, later than what it takes back."""
    hours = [f"2025-03-01T{hour}:00:00+00:00" for hour in ("10", "12", "11", "12", "13")]
    promoted = [
        set_champion(here.objects, house.bundle_files(seed), hours[0], hour).promoted_at
        for seed, hour in zip((1, 2, 1, 1, 2), hours, strict=True)
    ]
    assert promoted == [
        "2025-03-01T10:00:00+00:00", "2025-03-01T12:00:00+00:00", "2025-03-01T12:00:00.000001+00:00",
        "2025-03-01T12:00:00.000002+00:00", "2025-03-01T13:00:00+00:00",
    ]  # fmt: skip
    here.objects.put(CHAMPION_KEY, b"damaged")
    assert set_champion(here.objects, house.bundle_files(1), hours[0], hours[0]).promoted_at == hours[0]


def watched(here: House, every: float = 3600.0, retry_after: float = 3600.0) -> Watched[Champion]:
    return Watched(here.objects, CHAMPION_KEY, load_champion, every, retry_after)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.005)


def test_a_new_champion_is_noticed_without_being_asked_for(here: House) -> None:
    champion = watched(here, every=0.01)
    here.promote(1)
    assert not champion.ready()
    first = champion()
    assert champion.ready()
    assert champion() is first
    second = here.promote(2)
    until(lambda: champion().pointer == second)


def test_a_notice_is_followed_at_once(here: House) -> None:
    heard: list[Callable[[], None]] = []
    champion = Watched(here.objects, CHAMPION_KEY, load_champion, 3600, listen=heard.append)
    here.promote(1)
    assert heard == []
    champion()
    second = here.promote(2)
    (notice,) = heard
    notice()
    until(lambda: champion().pointer == second)


def test_a_notice_without_news_loads_nothing(here: House) -> None:
    loads = []
    heard: list[Callable[[], None]] = []

    def load(objects: ObjectStore) -> Champion:
        loads.append(1)
        return load_champion(objects)

    champion = Watched(here.objects, CHAMPION_KEY, load, listen=heard.append)
    here.promote(1)
    first = champion()
    for _ in range(5):
        heard[0]()
        champion.look()
    assert champion() is first
    assert len(loads) == 1


def test_nobody_watches_for_what_nobody_holds_any_more(here: House) -> None:
    here.promote(1)
    before = set(enumerate())
    champion = watched(here)
    champion()
    threads = [thread for thread in enumerate() if thread.name == f"watch {CHAMPION_KEY}" and thread not in before]
    assert threads
    del champion
    gc.collect()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_the_first_champion_is_noticed_by_an_instance_that_started_without(here: House) -> None:
    champion = watched(here, every=0.0)
    for _ in range(2):
        with pytest.raises(Unavailable, match="make demo"):
            champion()
    here.promote(1)
    assert champion().bundle.run_id == "run1"


def test_a_missing_first_champion_is_not_looked_for_more_often_than_asked(here: House) -> None:
    champion = watched(here)
    for promoted in (False, True):
        if promoted:
            here.promote(1)
        with pytest.raises(Unavailable, match="make demo"):
            champion()
    champion.look()
    assert champion().bundle.run_id == "run1"


def test_the_old_champion_stays_when_the_new_one_is_broken_and_goes_when_it_is_mended(here: House) -> None:
    champion = watched(here)
    old = here.promote(1)
    champion()
    assert champion.problem() is None
    new = here.promote(2)
    whole = here.objects.get(new.prefix + "trees.npz")
    here.objects.put(new.prefix + "trees.npz", whole[:-1])
    champion.look()
    assert champion().pointer == old
    assert "trees.npz" in (champion.problem() or "")
    here.objects.put(new.prefix + "trees.npz", whole)
    champion.look()
    assert champion().pointer == new
    assert champion.problem() is None


def test_a_champion_made_by_later_code_is_refused_once_in_the_log_while_the_old_one_serves(
    here: House, caplog: pytest.LogCaptureFixture
) -> None:
    champion = watched(here)
    old = here.promote(1)
    champion()
    for seed in (2, 3):
        here.promote_unchecked(house.bundle_files(seed, later=True))
        caplog.clear()
        for _ in range(3):
            champion.look()
            assert champion().pointer == old
        (line,) = caplog.messages
        assert "models/champion.json: going on with what was loaded before: model bundle" in line
        assert "half_life" in line
    assert champion().bundle.predict(house.passed().rows[:1]).sum() == pytest.approx(1)


def test_a_store_that_is_away_is_logged_once(here: House, caplog: pytest.LogCaptureFixture) -> None:
    champion = watched(here)
    old = here.promote(1)
    champion()
    (here.folder / "objects").rename(here.folder / "away")
    for _ in range(3):
        champion.look()
        assert champion().pointer == old
    assert len(caplog.messages) == 1
    (here.folder / "away").rename(here.folder / "objects")
    new = here.promote(2)
    champion.look()
    assert champion().pointer == new


def test_the_pointer_is_not_looked_at_more_often_than_asked(here: House) -> None:
    champion = watched(here)
    old = here.promote(1)
    champion()
    here.promote(2)
    time.sleep(0.1)
    assert champion().pointer == old


def test_what_is_broken_is_not_loaded_again_and_again_but_what_comes_after_it_at_once(here: House) -> None:
    loads = []

    def load(objects: ObjectStore) -> Champion:
        loads.append(1)
        return load_champion(objects)

    champion = Watched(here.objects, CHAMPION_KEY, load, every=0.01, retry_after=3600)
    here.promote(1)
    champion()
    here.objects.put(CHAMPION_KEY, b"{")
    until(lambda: champion.problem() is not None)
    time.sleep(0.1)
    assert len(loads) == 2
    new = here.promote(2)
    until(lambda: champion().pointer == new)
    assert champion.problem() is None


class Failing(FolderStore):
    """A folder whose `get` fails as often as is said."""

    failures = 0

    def get(self, key: str, *, largest: int | None = None) -> bytes:
        if self.failures:
            self.failures -= 1
            raise Unavailable("the store is away for a moment")
        return super().get(key, largest=largest)


def test_a_store_that_fails_between_the_pointers_etag_and_its_content_does_not_hide_what_is_new(here: House) -> None:
    """Copies of the champion before are no new champion."""
    store = Failing(here.folder / "objects")
    cached = CachedObjects(store, here.cache)
    champion = Watched(cached.anew(), CHAMPION_KEY, load_champion, 3600, copies=cached)
    old = here.promote(1)
    assert champion().pointer == old
    new = here.promote(2)
    store.failures = 1
    champion.look()
    assert champion().pointer == old
    assert champion.problem() is None
    champion.look()
    assert champion().pointer == new


@pytest.mark.parametrize("failures", [1, 2])
def test_an_instance_that_starts_with_copies_goes_on_to_what_is_in_the_store(here: House, failures: int) -> None:
    """Also where the store told the new pointer's ETag and then could not be read."""
    old = here.promote(1)
    load_champion(CachedObjects(here.objects, here.cache))
    new = here.promote(2)
    store = Failing(here.folder / "objects")
    store.failures = failures
    cached = CachedObjects(store, here.cache)
    champion = Watched(cached.anew(), CHAMPION_KEY, load_champion, 3600, copies=cached)
    assert champion().pointer == old
    store.failures = 0
    champion.look()
    assert champion().pointer == new


def test_a_first_load_that_fails_as_nobody_thought_of_tells_the_same_until_it_is_tried_again(here: House) -> None:
    def load(objects: ObjectStore) -> Champion:
        raise RuntimeError("a fault of ours")

    here.promote(1)
    champion = Watched(here.objects, CHAMPION_KEY, load, every=3600)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="a fault of ours"):
            champion()


def test_what_nobody_thought_of_does_not_end_the_watch(here: House, caplog: pytest.LogCaptureFixture) -> None:
    broken = False

    def load(objects: ObjectStore) -> Champion:
        if broken:
            raise RuntimeError("a fault of ours")
        return load_champion(objects)

    champion = Watched(here.objects, CHAMPION_KEY, load, every=0.01, retry_after=0.01)
    old = here.promote(1)
    champion()
    broken = True
    new = here.promote(2)
    until(lambda: "a fault of ours" in caplog.text)
    assert champion().pointer == old
    assert champion.problem() == "models/champion.json: cannot be loaded; the log has the details"
    broken = False
    until(lambda: champion().pointer == new)


def test_requests_go_on_with_the_old_champion_while_the_new_one_loads(here: House) -> None:
    loading, go_on = Event(), Event()
    loads = 0

    def load(objects: ObjectStore) -> Champion:
        nonlocal loads
        loads += 1
        if loads > 1:
            loading.set()
            assert go_on.wait(10)
        return load_champion(objects)

    champion = Watched(here.objects, CHAMPION_KEY, load, 0.01)
    old = here.promote(1)
    assert champion().pointer == old
    new = here.promote(2)
    assert loading.wait(10)
    assert champion().pointer == old
    go_on.set()
    until(lambda: champion().pointer == new)
