"""Settings and the clock."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from traceback import format_exception

import pytest

from matchcast.adapters.clock import clock_from, utc_now
from matchcast.adapters.database.engine import Database
from matchcast.adapters.git_revision import git_revision
from matchcast.errors import BadInput, Unavailable
from matchcast.settings import (
    PredictAsyncSettings,
    PredictSyncSettings,
    ReloadSettings,
    ScrapeSettings,
    Settings,
    read_settings,
)
from matchcast.web.connections import Connections


def test_an_empty_environment_is_a_working_one() -> None:
    settings = read_settings(PredictSyncSettings, {"MATCHCAST_LOG_LEVEL": ""})
    assert (settings.database_url, settings.objects_url) == ("sqlite:///var/matchcast.db", "var/objects")
    assert settings.clock_starts_at is None


def test_variables_are_read() -> None:
    environment = {"MATCHCAST_CACHE_DIR": "/cache", "MATCHCAST_CLOCK_STARTS_AT": "2025-03-01T09:00:00Z"}
    settings = read_settings(PredictSyncSettings, environment)
    assert settings.cache_dir == Path("/cache")
    assert settings.clock_starts_at == datetime(2025, 3, 1, 9, tzinfo=UTC)


def test_all_faults_are_told_at_once_with_examples() -> None:
    environment = {
        "MATCHCAST_DATABASE_URL": "mysql://x",
        "MATCHCAST_OBJECTS_URL": "s3://bucket?endpoint=x",
        "MATCHCAST_CLOCK_STARTS_AT": "2025-03-01T09:00:00",
        "MATCHCAST_LOG_LEVEL": "loud",
    }
    with pytest.raises(BadInput) as caught:
        read_settings(PredictSyncSettings, environment)
    lines = str(caught.value).splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == list(environment)
    assert all("for example" in line for line in lines)


def test_what_is_missing_for_a_bucket_is_told_beside_what_is_wrong() -> None:
    wrong = {"MATCHCAST_OBJECTS_URL": "s3://matchcast", "MATCHCAST_HANDLER_SECONDS": "nan"}
    with pytest.raises(BadInput) as caught:
        read_settings(PredictAsyncSettings, wrong)
    told = [line.split(": ")[0].strip() for line in str(caught.value).splitlines()[1:]]
    assert told == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MATCHCAST_HANDLER_SECONDS", "K_SINK"]


def test_a_bucket_is_reached_as_by_any_s3_client() -> None:
    environment = {"MATCHCAST_OBJECTS_URL": "s3://matchcast/house"}
    with pytest.raises(BadInput) as caught:
        read_settings(PredictSyncSettings, environment)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert f"{name}: is missing, and MATCHCAST_OBJECTS_URL is a bucket" in str(caught.value)
    environment |= {
        "AWS_ENDPOINT_URL": "http://minio:9000",
        "AWS_ACCESS_KEY_ID": "matchcast",
        "AWS_SECRET_ACCESS_KEY": "made-up",
    }
    settings = read_settings(PredictSyncSettings, environment)
    assert settings.s3 == ("http://minio:9000", "matchcast", "made-up", "us-east-1")
    assert "made-up" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:matchcast:S3CRET@db/matchcast",
        "postgresql://matchcast:S3CRET@db:54x2/matchcast",
        "postgresql://matchcast:S3CRET@db:/x:y@z",
        "mysql://matchcast:S3CRET@db/matchcast",
    ],
)
def test_a_database_url_that_is_none_is_refused_at_the_start_and_not_quoted(url: str) -> None:
    with pytest.raises(BadInput, match="MATCHCAST_DATABASE_URL") as raised:
        read_settings(PredictSyncSettings, {"MATCHCAST_DATABASE_URL": url})
    assert "S3CRET" not in "".join(format_exception(raised.value))


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:////srv/matchcast.db",
        "postgresql://user:p%40ss/w?rd@host:5432/matchcast?sslmode=require",
        "postgresql+psycopg://[::1]:5432/matchcast",
        "postgres:///matchcast?host=/run/postgresql",
    ],
)
def test_database_urls_that_are_taken_can_be_opened(url: str) -> None:
    settings = read_settings(PredictSyncSettings, {"MATCHCAST_DATABASE_URL": url})
    assert url not in repr(settings)
    assert Database(settings.database_url).engine


@pytest.mark.parametrize("url", ["s3:models", "file:models", "gs://models", "s3:///models", "  ", "s3://[models"])
def test_an_object_store_that_is_none_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(BadInput, match="MATCHCAST_OBJECTS_URL"):
        read_settings(PredictSyncSettings, {"MATCHCAST_OBJECTS_URL": url})


@pytest.mark.parametrize(
    "url",
    ["http://", "http://[::1", "http://host:port", "http://host:99999", "http://:8080", "http://a b/", "http://h\n"],
)
def test_a_broker_that_is_none_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(BadInput, match="K_SINK: has no host, or a port that is none"):
        read_settings(PredictAsyncSettings, {"K_SINK": url})


@pytest.mark.parametrize(
    "url",
    ["http://:S3CRET@redis:6379", "redis://", "redis://u:S3CRET@redis:63x9", "redis://h/S3CRET", "redis://h:0/1"],
)
def test_a_cache_that_is_none_is_refused_at_the_start_and_not_quoted(url: str) -> None:
    with pytest.raises(BadInput, match="MATCHCAST_CACHE_URL") as raised:
        read_settings(PredictSyncSettings, {"MATCHCAST_CACHE_URL": url})
    assert "S3CRET" not in "".join(format_exception(raised.value))


@pytest.mark.parametrize("url", ["redis://redis", "redis://:S3CRET@redis:6379/1", "rediss://u:S3CRET@[::1]:6380/?x=1"])
def test_a_cache_is_taken_with_its_password_and_not_shown(url: str) -> None:
    settings = read_settings(PredictSyncSettings, {"MATCHCAST_CACHE_URL": url})
    assert settings.cache_url == url
    assert "S3CRET" not in repr(settings) + "".join(map(str, settings.__rich_repr__()))


@pytest.mark.parametrize(("quota", "seconds"), [("-1", "60"), ("10", "0"), ("1.5", "60"), ("10", "inf")])
def test_a_rate_limit_that_is_none_is_refused_at_the_start(quota: str, seconds: str) -> None:
    with pytest.raises(BadInput, match="MATCHCAST_RATE_"):
        read_settings(PredictSyncSettings, {"MATCHCAST_RATE_QUOTA": quota, "MATCHCAST_RATE_SECONDS": seconds})


def test_a_token_is_long_enough_and_never_quoted() -> None:
    environment = {"K_SINK": "http://broker", "MATCHCAST_HOOK_TOKEN": "S3" + "CRET"}
    with pytest.raises(BadInput, match="MATCHCAST_HOOK_TOKEN: has less than 16 characters") as raised:
        read_settings(ReloadSettings, environment)
    assert "S3CRET" not in "".join(format_exception(raised.value))


def test_settings_load_no_driver_and_no_pydantic() -> None:
    """Functions start on them."""
    heavy = {"pydantic", "sqlalchemy", "obstore", "redis", "numpy", "httpx"}
    listing = "import sys, matchcast.settings; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True).stdout
    assert not heavy & set(loaded.split())


@pytest.mark.parametrize("url", ["http://broker", "https://broker.svc:8080/path", "http://[::1]:80"])
def test_a_broker_has_a_host_and_perhaps_a_port(url: str) -> None:
    assert read_settings(PredictAsyncSettings, {"K_SINK": url}).sink == url


def test_settings_that_no_start_has_checked_are_a_passing_fault_for_whoever_asks() -> None:
    to = Connections(Settings(objects_url="s3:models", database_url="postgresql:x:S3CRET@db/x"))
    for opened in (lambda: to.store, to.tasks):
        with pytest.raises(Unavailable, match="not set up as it should be") as raised:
            opened()
        assert "S3CRET" not in "".join(format_exception(raised.value))


def test_a_lock_is_waited_for_less_long_than_a_handler_may_take() -> None:
    hurried = {"K_SINK": "http://broker", "MATCHCAST_HANDLER_SECONDS": "0.5"}
    patience = read_settings(PredictAsyncSettings, hurried).patience
    assert patience.lock < 0.5 < patience.statement == 150 < patience.idle
    assert read_settings(ScrapeSettings, {"K_SINK": "http://broker"}).patience.lock <= 30
    assert read_settings(PredictSyncSettings, {}).patience.statement == 10
    assert read_settings(PredictSyncSettings, {"MATCHCAST_REQUEST_SECONDS": "2"}).patience.statement == 2


def test_a_clock_that_starts_somewhere_runs_on_from_there() -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    clock = clock_from(start)
    first, second = clock(), clock()
    assert start <= first <= second < start + timedelta(minutes=1)


def test_the_ordinary_clock_is_utc() -> None:
    assert clock_from(None) is utc_now
    assert utc_now().utcoffset() == timedelta(0)


def test_a_checkout_knows_its_revision() -> None:
    revision = git_revision()
    assert revision == "unknown" or len(revision) == 40
