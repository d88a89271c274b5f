"""The object folder and the local copies of objects."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchcast.adapters.objects import S3Access, objects_at
from matchcast.adapters.objects_cache import CachedObjects
from matchcast.adapters.objects_folder import FolderStore
from matchcast.errors import BadInput, Unavailable


@given(key=st.text(max_size=30), content=st.binary(max_size=50))
def test_any_key_is_refused_or_stays_inside(tmp_path_factory: pytest.TempPathFactory, key: str, content: bytes) -> None:
    root = tmp_path_factory.mktemp("any")
    store = FolderStore(root / "objects")
    try:
        store.put(key, content)
    except BadInput:
        return
    assert store.get(key) == content
    assert list(store.keys("")) == [key]
    assert {p.name for p in root.iterdir()} == {"objects"}


@pytest.mark.parametrize("url", ["s3://", "s3:///k", "s3://b?x=1", "s3://u@b", "http://x/y", "file://elsewhere/x", " "])
def test_other_urls_are_refused_with_an_example(url: str) -> None:
    with pytest.raises(BadInput, match="MATCHCAST_OBJECTS_URL: give a folder"):
        objects_at(url, S3Access(None, "id", "secret"))


def test_a_bucket_wants_keys() -> None:
    with pytest.raises(BadInput, match="AWS_SECRET_ACCESS_KEY: "):
        objects_at("s3://bucket")


def test_who_keeps_objects_in_a_folder_does_not_load_what_speaks_s3() -> None:
    program = """
import sys
from matchcast.settings import Settings
from matchcast.web.connections import Connections
assert Connections(Settings(objects_url="/nowhere")).store
assert "obstore" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_path_and_a_file_url_are_the_same_folder(tmp_path: Path) -> None:
    objects_at(str(tmp_path / "a b")).put("k", b"1")
    assert objects_at(f"{(tmp_path / 'a b').as_uri()}").get("k") == b"1"


def test_copies_stand_in_while_the_store_is_away(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "objects")
    store.put("k", b"1")
    cached = CachedObjects(store, tmp_path / "cache")
    assert cached.etag("k") == store.etag("k")
    assert cached.get("k") == b"1"
    shutil.rmtree(tmp_path / "objects")
    anew = CachedObjects(store, tmp_path / "cache")
    assert anew.get("k") == b"1"
    with pytest.raises(Unavailable):
        anew.etag("k")
    with pytest.raises(Unavailable):
        anew.anew().get("k")
    with pytest.raises(Unavailable):
        anew.get("never read")


def test_a_store_that_is_away_is_waited_for_once_not_for_each_copy(tmp_path: Path) -> None:
    class Counting(FolderStore):
        asked = 0

        def get(self, key: str, *, largest: int | None = None) -> bytes:
            self.asked += 1
            return super().get(key, largest=largest)

    store = Counting(tmp_path / "objects")
    for n in range(5):
        store.put(f"k/{n}", b"1")
    cached = CachedObjects(store, tmp_path / "cache")
    assert [cached.get(key) for key in store.keys("k/")] == [b"1"] * 5
    shutil.rmtree(tmp_path / "objects")
    store.asked = 0
    assert [cached.get(f"k/{n}") for n in range(5)] == [b"1"] * 5
    assert store.asked == 1
    with pytest.raises(Unavailable, match="does not exist"):
        cached.get("never read")
    assert store.asked == 1


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
