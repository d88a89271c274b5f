"""The record of what sources answered, and the sources that are left alone."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, text

from matchcast.adapters.database import captures as module
from matchcast.adapters.database.captures import SqlCaptures
from matchcast.adapters.database.cool_downs import SqlCoolDowns
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.migrate import migrate
from matchcast.adapters.database.records import instant_text
from matchcast.adapters.database.tables import captures as table
from matchcast.adapters.objects_folder import FolderStore
from matchcast.errors import BadSource, NotFound
from matchcast.ports.feeds import Capture, CoolDown, RawFile
from matchcast.usecases.captured import Archive
from tests.contract.revisions import at_revision

NOW = datetime(2025, 3, 1, 23, 59, 59, 999999, tzinfo=UTC)
URL = "https://example.org/E0.csv"


@pytest.fixture
def captures(database: Database) -> SqlCaptures:
    return SqlCaptures(database)


def capture(taken_at: datetime = NOW, **changes: Any) -> Capture:
    plain = Capture("test", "E0.csv", URL, taken_at, "text/csv", 200, '"1"', "Sat, 01 Mar 2025", "aa", "captures/aa.gz")
    return plain._replace(**changes)


def test_a_capture_is_told_as_it_was_added(captures: SqlCaptures) -> None:
    added = capture()
    captures.add(added)
    assert list(captures.of_source("test")) == [added]
    assert captures.latest(URL) == added
    assert list(captures.of_source("another")) == []
    assert captures.latest("https://example.org/D1.csv") is None


def test_one_of_the_same_address_and_instant_stays_as_it_is(captures: SqlCaptures) -> None:
    captures.add(capture())
    captures.add(capture(sha256="bb"))
    assert [each.sha256 for each in captures.of_source("test")] == ["aa"]


def test_the_latest_is_the_newest_that_was_good(captures: SqlCaptures) -> None:
    hours = [NOW + timedelta(hours=number) for number in range(4)]
    captures.add(capture(hours[1]))
    captures.add(capture(hours[0]))
    captures.add(capture(hours[2], status=403))
    captures.add(capture(hours[3]))
    captures.refuse(capture(hours[3]), "no columns")
    assert captures.latest(URL) == capture(hours[1])
    assert [each.problem for each in captures.of_source("test")] == [None, None, None, "no columns"]


def test_one_that_can_be_read_after_all_is_as_good_as_any(captures: SqlCaptures) -> None:
    captures.add(capture())
    captures.refuse(capture(), "no columns")
    assert captures.latest(URL) is None
    captures.accept(capture())
    assert captures.latest(URL) == capture()


def test_what_is_missing_is_the_newest_answer_that_said_so(captures: SqlCaptures) -> None:
    assert captures.missing(URL) is None
    for hours, status in ((0, 404), (1, 410), (2, 200), (3, 500)):
        captures.add(capture(NOW + timedelta(hours=hours), status=status))
    captures.add(capture(NOW + timedelta(hours=4), status=404, url=f"{URL}?"))
    assert captures.missing(URL) == capture(NOW + timedelta(hours=1), status=410)


def test_captures_of_some_days_come_oldest_first(captures: SqlCaptures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    days = [NOW + timedelta(days=number) for number in range(5)]
    for taken_at in (days[3], days[0], days[4], days[1], days[2]):
        captures.add(capture(taken_at))
        captures.add(capture(taken_at, url=f"{URL}?"))

    def told(*limits: date | None) -> list[datetime]:
        return [each.taken_at for each in captures.of_source("test", *limits)]

    assert told() == [day for day in days for _ in range(2)]
    assert told(days[1].date(), days[2].date()) == [days[1]] * 2 + [days[2]] * 2
    assert told(days[4].date()) == [days[4]] * 2
    assert told(None, days[0].date()) == [days[0]] * 2


def test_what_is_kept_can_be_had_as_it_was(captures: SqlCaptures, tmp_path: Any) -> None:
    objects = FolderStore(tmp_path)
    archive = Archive(objects, captures)
    file = RawFile("E0.csv", URL, "text/csv", b"Div,Date\n", 200, '"1"', None, NOW)
    archive.keep("test", file)
    (kept,) = captures.of_source("test")
    assert kept.object_key.startswith("captures/test/2025-03-01/")
    assert archive.file(kept) == archive.latest(URL) == file
    objects.put(kept.object_key, b"\x1f\x8b damaged")
    with pytest.raises(BadSource, match=f"{kept.object_key} is damaged; restore the object"):
        archive.file(kept)
    with pytest.raises(NotFound, match="nowhere"):
        archive.file(kept._replace(object_key="captures/nowhere"))
    assert archive.latest(URL) is None


def test_captures_that_the_database_lost_come_back_from_the_objects(
    captures: SqlCaptures, database: Database, tmp_path: Any
) -> None:
    """Whole, with why they could not be read; a record that is damaged keeps no other away."""
    objects = FolderStore(tmp_path)
    archive = Archive(objects, captures)
    days = [NOW + timedelta(days=number) for number in range(3)]
    for taken_at in days:
        for url in (URL, f"{URL}?"):
            archive.keep("test", RawFile("E0.csv", url, "text/csv", b"Div,Date\n", 200, '"1"', None, taken_at))
    archive.keep("other", RawFile("x", URL, "text/csv", b"", 403, None, "Sat, 01 Mar 2025", NOW))
    refused = captures.latest(URL)
    assert refused is not None
    archive.refuse(refused, "no columns")
    before = {source: set(captures.of_source(source)) for source in ("test", "other")}
    (damaged, *_) = [key for key in objects.keys("captures/test/2025-03-03/") if key.endswith(".json")]
    objects.put(damaged, b'{"source": "test"}')

    with database.writing() as connection:
        connection.execute(delete(table))
    assert archive.restore("test", days[1].date(), days[1].date()) == []
    assert set(captures.of_source("test")) == {each for each in before["test"] if each.taken_at == days[1]}
    assert archive.restore("test") == [damaged]
    assert set(captures.of_source("test")) < before["test"]
    assert len(list(captures.of_source("test"))) == 5
    assert list(captures.of_source("other")) == []
    assert archive.restore("other") == []
    assert set(captures.of_source("other")) == before["other"]


def test_a_cool_down_holds_until_it_is_over(database: Database) -> None:
    cool_downs = SqlCoolDowns(database)
    assert cool_downs.of("test", NOW) is None
    until = NOW + timedelta(hours=12)
    cool_downs.start("test", until, "403")
    assert cool_downs.of("test", NOW) == CoolDown(until, "403")
    assert cool_downs.of("another", NOW) is None
    assert cool_downs.of("test", until) is None
    assert cool_downs.of("test", until - timedelta(microseconds=1)) is not None


def test_the_later_of_two_cool_downs_counts(database: Database) -> None:
    cool_downs = SqlCoolDowns(database)
    for hours, reason in ((12, "first"), (1, "shorter"), (12, "as long"), (24, "longer")):
        cool_downs.start("test", NOW + timedelta(hours=hours), reason)
        standing = cool_downs.of("test", NOW)
        assert standing is not None
        assert standing.reason == ("longer" if hours == 24 else "first")


def test_captures_from_before_get_the_last_part_of_their_address_as_name(database: Database) -> None:
    urls = [
        "https://example.org/mmz4281/2425/E0.csv",
        "pypi:premier_league-1.0.4-py3-none-any.whl",
        "https://example.org",
    ]
    add = text(
        "INSERT INTO captures (source, url, taken_at, media_type, sha256, object_key)"
        " VALUES ('test', :url, :at, 'text/csv', 'aa', 'captures/aa.gz')"
    )
    taken_at = instant_text(NOW) if database.is_sqlite else NOW
    with at_revision(database, "0003") as connection:
        for url in urls:
            connection.execute(add, {"url": url, "at": taken_at})
    migrate(database.url.render_as_string(hide_password=False))
    captures = SqlCaptures(database)
    told = [(each.name, each.url, each.status, each.etag, each.problem) for each in captures.of_source("test")]
    names = ["E0.csv", "premier_league-1.0.4-py3-none-any.whl", ""]
    assert told == [(name, url, 200, None, None) for name, url in zip(names, urls, strict=True)]
    captures.add(capture(NOW + timedelta(days=1)))
    assert len(list(captures.of_source("test"))) == 4
