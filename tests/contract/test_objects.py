"""What every object store does: a folder, a bucket on MinIO, and copies of either."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knative.local.services.minio import Minio, private_minio
from matchcast.adapters.objects import S3Access, objects_at
from matchcast.adapters.objects_cache import CachedObjects
from matchcast.errors import BadInput, NotFound, Unavailable
from matchcast.ports import ObjectStore

BUCKET = "matchcast"


def access(server: Minio) -> S3Access:
    return S3Access(server.url, server.user, server.password)


@pytest.fixture(scope="session")
def bucket(minio: Minio) -> Minio:
    minio.client().create_bucket(Bucket=BUCKET)
    return minio


@pytest.fixture(params=["folder", "bucket", "copies of a folder", "copies of a bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty one of each kind."""
    if "bucket" in request.param:
        store = objects_at(f"s3://{BUCKET}/{uuid4().hex}/a b", access(request.getfixturevalue("bucket")))
    else:
        store = objects_at(str(tmp_path / "objects"))
    store.put("there/x", b"1")
    return CachedObjects(store, tmp_path / "cache") if "copies" in request.param else store


def test_what_was_put_is_got(store: ObjectStore) -> None:
    etag = store.put("a/b.json", b"1")
    assert store.get("a/b.json") == b"1"
    assert store.etag("a/b.json") == etag


@pytest.mark.parametrize("size", [0, 12 << 20])
def test_content_may_be_nothing_or_more_than_one_part(store: ObjectStore, size: int) -> None:
    content = bytes(range(256)) * (size // 256)
    assert store.put("k", content) == store.etag("k")
    assert store.get("k") == content


def test_the_etag_changes_with_the_content(store: ObjectStore) -> None:
    first = store.put("k", b"1")
    second = store.put("k", b"2")
    assert first != second
    assert (store.etag("k"), store.get("k")) == (second, b"2")


def test_a_missing_object_is_not_found(store: ObjectStore) -> None:
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
    assert list(store.keys("")) == [*store.keys("models"), "there/x"]


def test_keys_beyond_one_page_of_a_listing_are_listed(bucket: Minio) -> None:
    store = objects_at(f"s3://{BUCKET}/{uuid4().hex}", access(bucket))
    keys = [f"many/{n:04}" for n in range(1005)]
    for key in keys:
        store.put(key, b"")
    assert list(store.keys("many/")) == keys


@pytest.mark.parametrize(
    "key",
    [
        "", "/a", "a/../b", "..", "a//b", "a/", "./a", "a\\b", "a\0b", "a\nb", "\ud800", ".unfinished/x",
        "x" * 256, "x/" * 460 + "x",
    ],
)  # fmt: skip
def test_what_is_no_key_is_refused(store: ObjectStore, key: str) -> None:
    for use in (lambda: store.put(key, b"1"), lambda: store.get(key), lambda: store.etag(key)):
        with pytest.raises(BadInput, match="key: "):
            use()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(key=st.text(max_size=30), content=st.binary(max_size=50))
def test_any_key_is_refused_or_kept_as_it_is(store: ObjectStore, key: str, content: bytes) -> None:
    key = f"any/{key}"
    try:
        store.put(key, content)
    except BadInput:
        return
    assert store.get(key) == content
    assert key in store.keys("any/")


def test_readers_see_the_old_content_or_the_new(store: ObjectStore) -> None:
    contents = {bytes([n]) * 50_000 for n in range(8)}
    store.put("k", next(iter(contents)))
    seen: set[bytes] = set()
    writing = Thread(target=lambda: [store.put("k", c) for _ in range(5) for c in contents])
    writing.start()
    while writing.is_alive():
        seen.add(store.get("k"))
    writing.join()
    assert seen <= contents


Away = tuple[ObjectStore, str]


@pytest.fixture(params=["no folder", "no bucket", "no such id", "another secret", "no S3 server", "nobody there"])
def away(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Away]:
    """A store that cannot be used, and the words that tell why."""
    if request.param == "no folder":
        yield objects_at(str(tmp_path / "none")), "make demo"
        return
    bucket: Minio = request.getfixturevalue("bucket")
    good = access(bucket)
    match request.param:
        case "no bucket":
            yield objects_at("s3://elsewhere", good), "make the bucket or correct MATCHCAST_OBJECTS_URL"
        case "no such id":
            yield objects_at(f"s3://{BUCKET}", good._replace(key_id="nobody")), "correct AWS_ACCESS_KEY_ID"
        case "another secret":
            yield objects_at(f"s3://{BUCKET}", good._replace(secret="another")), "correct AWS_ACCESS_KEY_ID"
        case "no S3 server":
            yield objects_at(f"s3://{BUCKET}", good._replace(endpoint=f"{good.endpoint}/minio/health/none")), "s3://"
        case _:
            yield (
                objects_at(f"s3://{BUCKET}", good._replace(endpoint="http://127.0.0.1:1")),
                "http://127.0.0.1:1 cannot",
            )


def test_a_store_that_is_away_is_unavailable_and_not_empty(away: Away) -> None:
    store, words = away
    for use in (lambda: store.get("k"), lambda: store.etag("k"), lambda: store.keys("")):
        with pytest.raises(Unavailable, match=words) as raised:
            use()
        assert len(str(raised.value)) < 250
        with pytest.raises(Unavailable, match=f"^{re.escape(str(raised.value))}$"):  # which is logged once
            use()


def test_nothing_is_put_where_there_is_no_bucket(bucket: Minio) -> None:
    with pytest.raises(Unavailable, match="make the bucket"):
        objects_at("s3://elsewhere", access(bucket)).put("k", b"1")


def test_copies_stand_in_while_the_store_is_away_but_what_they_are_is_only_the_stores_word(tmp_path: Path) -> None:
    with private_minio() as server:
        server.client().create_bucket(Bucket=BUCKET)
        store = objects_at(f"s3://{BUCKET}", access(server))
        store.put("k", b"1")
        cached = CachedObjects(store, tmp_path / "cache")
        assert cached.etag("k") == store.etag("k") is not None
        assert cached.get("k") == b"1"
    with pytest.raises(Unavailable):
        store.get("k")
    assert cached.get("k") == b"1"
    started = CachedObjects(store, tmp_path / "cache")
    assert started.get("k") == b"1"
    for use in (
        lambda: started.get("never read"), lambda: started.etag("k"), lambda: started.put("k", b"2"),
        lambda: started.anew().get("k"),
    ):  # fmt: skip
        with pytest.raises(Unavailable):
            use()


@pytest.mark.slow
def test_a_server_that_is_silent_is_given_up(listening: str) -> None:
    with pytest.raises(Unavailable, match="cannot be used"):
        objects_at(f"s3://{BUCKET}", S3Access(listening, "matchcast", "secret")).get("k")


@pytest.fixture
def listening() -> Iterator[str]:
    """The address of a server that takes connections and answers nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(5)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
