"""The object folder and the local copies of objects."""

import shutil
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchcast.adapters.objects_cache import CachedObjects
from matchcast.adapters.objects_folder import FolderStore, objects_at
from matchcast.errors import BadInput, NotFound, Unavailable
from matchcast.ports import ObjectStore


@pytest.fixture(params=["folder", "cached"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    folder = FolderStore(tmp_path / "objects")
    return folder if request.param == "folder" else CachedObjects(folder, tmp_path / "cache")


def test_what_was_put_is_got(store: ObjectStore) -> None:
    etag = store.put("a/b.json", b"1")
    assert store.get("a/b.json") == b"1"
    assert store.etag("a/b.json") == etag


def test_the_etag_changes_with_the_content(store: ObjectStore) -> None:
    first = store.put("k", b"1")
    second = store.put("k", b"2")
    assert first != second
    assert (store.etag("k"), store.get("k")) == (second, b"2")


def test_a_missing_object_is_not_found(store: ObjectStore) -> None:
    store.put("there/x", b"1")
    assert store.etag("absent") is None
    for key in ("absent", "there", "there/x/y"):
        with pytest.raises(NotFound):
            store.get(key)


def test_keys_are_listed_by_prefix(store: ObjectStore) -> None:
    for key in ("models/2/b", "models/1/a", "models/champion.json", "modelsx/c"):
        store.put(key, b"")
    assert list(store.keys("models/")) == ["models/1/a", "models/2/b", "models/champion.json"]
    assert list(store.keys("models")) == ["models/1/a", "models/2/b", "models/champion.json", "modelsx/c"]
    assert list(store.keys("models/ch")) == ["models/champion.json"]
    assert list(store.keys("none/")) == []


@pytest.mark.parametrize("key", ["", "/a", "a/../b", "..", "a//b", "a/", "./a", "a\\b", "a\0b", ".unfinished/x"])
def test_a_key_cannot_leave_the_folder(store: ObjectStore, key: str) -> None:
    with pytest.raises(BadInput, match="key"):
        store.put(key, b"1")
    with pytest.raises(BadInput, match="key"):
        store.get(key)


@given(key=st.text(max_size=30), content=st.binary(max_size=50))
def test_any_key_is_refused_or_stays_inside(tmp_path_factory: pytest.TempPathFactory, key: str, content: bytes) -> None:
    root = tmp_path_factory.mktemp("any")
    store = FolderStore(root / "objects")
    try:
        store.put(key, content)
    except (BadInput, UnicodeEncodeError):
        return
    assert store.get(key) == content
    assert list(store.keys("")) == [key]
    assert {p.name for p in root.iterdir()} == {"objects"}


def test_readers_see_the_old_content_or_the_new(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    contents = {bytes([n]) * 50_000 for n in range(8)}
    store.put("k", next(iter(contents)))
    seen: set[bytes] = set()
    writing = Thread(target=lambda: [store.put("k", c) for _ in range(5) for c in contents])
    writing.start()
    while writing.is_alive():
        seen.add(store.get("k"))
    assert seen <= contents


def test_a_folder_that_does_not_exist_is_unavailable(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "none")
    for use in (lambda: store.get("k"), lambda: store.etag("k"), lambda: store.keys("")):
        with pytest.raises(Unavailable, match="make demo"):
            use()


@pytest.mark.parametrize("url", ["s3://bucket", "http://x/y", "file://elsewhere/x", " "])
def test_other_urls_are_refused_with_an_example(url: str) -> None:
    with pytest.raises(BadInput, match="MATCHCAST_OBJECTS_URL: give a folder"):
        objects_at(url)


def test_a_path_and_a_file_url_are_the_same_folder(tmp_path: Path) -> None:
    objects_at(str(tmp_path / "a b")).put("k", b"1")
    assert objects_at(f"{(tmp_path / 'a b').as_uri()}").get("k") == b"1"


def test_copies_stand_in_while_the_store_is_away(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "objects")
    store.put("k", b"1")
    cached = CachedObjects(store, tmp_path / "cache")
    etag = cached.etag("k")
    assert cached.get("k") == b"1"
    shutil.rmtree(tmp_path / "objects")
    anew = CachedObjects(store, tmp_path / "cache")
    assert (anew.get("k"), anew.etag("k")) == (b"1", etag)
    with pytest.raises(Unavailable):
        anew.get("never read")


def test_a_file_is_fetched_once_and_old_copies_go(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "objects")
    cached = CachedObjects(store, tmp_path / "cache")
    hashes = {f"s/{n}": store.put(f"s/{n}", bytes([n]) * 10) for n in range(5)}
    for key, sha256 in hashes.items():
        assert cached.file(key, sha256).read_bytes() == store.get(key)
    assert len(list((tmp_path / "cache" / "s").iterdir())) == 2
    shutil.rmtree(tmp_path / "objects")
    assert cached.file("s/4", hashes["s/4"]).read_bytes() == bytes([4]) * 10


def test_a_damaged_copy_is_fetched_anew(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "objects")
    cached = CachedObjects(store, tmp_path / "cache")
    sha256 = store.put("s/1", b"good")
    cached.file("s/1", sha256).write_bytes(b"gone")
    assert cached.file("s/1", sha256).read_bytes() == b"good"
