"""Settings and the clock."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from matchcast.adapters.clock import clock_from, utc_now
from matchcast.adapters.git_revision import git_revision
from matchcast.errors import BadInput
from matchcast.settings import PredictSyncSettings, read_settings


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
