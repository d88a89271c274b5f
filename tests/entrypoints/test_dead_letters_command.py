"""`matchcast dead-letters` against a running function."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands.main import app
from functions.deadletter.main import app as deadletter_app
from matchcast.adapters.database.api_keys import SqlApiKeys
from matchcast.adapters.database.dead_letters import SqlDeadLetters
from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.migrate import migrate
from matchcast.domain.event import Event
from matchcast.ports.events import DeadLetter
from tests.entrypoints.recorder import Recorder, recording
from tests.entrypoints.served import served

NOW = datetime(2025, 3, 1, 9, tzinfo=UTC)
URL = "http://127.0.0.1:1"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    url = f"sqlite:///{tmp_path}/matchcast.db"
    migrate(url)
    return Database(url)


@pytest.fixture
def broker() -> Iterator[Recorder]:
    with recording() as recorder:
        yield recorder


@pytest.fixture(autouse=True)
def _pointed_to(
    database: Database, broker: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The command finds a running deadletter by its environment."""
    environment = {
        "MATCHCAST_DATABASE_URL": f"sqlite:///{tmp_path}/matchcast.db",
        "MATCHCAST_OBJECTS_URL": str(tmp_path / "objects"),
        "MATCHCAST_INGEST_BROKER_URL": broker.url,
        "MATCHCAST_INFERENCE_BROKER_URL": broker.url,
    }
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("MATCHCAST_API_KEY", SqlApiKeys(database).create("t", frozenset({"admin"}), NOW).text)
    with served(deadletter_app(environment)) as client:
        monkeypatch.setenv("MATCHCAST_URL", str(client.base_url))
        yield


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ("dead-letters", *words))
    assert result.exit_code == code, result.output
    return result.output


def kept(database: Database, count: int) -> list[str]:
    names = [f"letter-{number:03}" for number in range(count)]
    for name in names:
        event = Event(name, "/matchcast/tests", "org.example.checked", NOW, {})
        SqlDeadLetters(database).add(DeadLetter(name, "inference", event, "http://drift", 503, "", NOW, 1, None))
    return names


def test_letters_are_listed_and_replayed_by_id(database: Database, broker: Recorder) -> None:
    first, second = kept(database, 2)
    shown = run("list")
    for words in (first, second, "http://drift", "org.example.checked", "503", "open"):
        assert words in shown
    broker.events.clear()
    assert "1 replayed" in run("replay", second)
    assert [event.id for event in broker.events] == [second]
    assert second not in run("list")
    assert "replayed 20" in run("list", "--all")
    assert "0 replayed, 1 had been before" in run("replay", second)


def test_what_strangers_named_is_shown_as_they_named_it(database: Database) -> None:
    event = Event("x", "/elsewhere", "[bold]com.example[/nowhere]", NOW, {})
    SqlDeadLetters(database).add(DeadLetter("x", "inference", event, "http://[::1]/[/]", 503, "", NOW, 1, None))
    shown = run("list")
    assert "[bold]com.example[/nowhere]" in shown
    assert "http://[::1]/[/]" in shown


def test_all_open_letters_are_replayed_by_one_command(database: Database, broker: Recorder) -> None:
    names = kept(database, 230)
    assert "230 replayed" in run("replay", "--all")
    assert [event.id for event in broker.events] == names
    assert "no open dead letters" in run("list")
    assert "0 replayed" in run("replay", "--all")


def test_a_long_list_is_cut(database: Database) -> None:
    names = kept(database, 5)
    shown = run("list", "--limit", "2")
    assert "there are more; --limit shows them" in shown
    assert [name for name in names if name in shown] == names[:2]


def test_what_could_not_be_replayed_is_told_and_the_rest_is_done(database: Database, broker: Recorder) -> None:
    (name,) = kept(database, 1)
    shown = run("replay", "nobody", "some/thing", name, code=1)
    assert "1 replayed" in shown
    assert "2 could not be replayed" in shown
    assert "nobody: letter_id: 'nobody' is no dead letter" in shown
    (other,) = kept(database, 14)[13:]
    broker.status = 500
    shown = run("replay", "--all", code=1)
    assert "13 could not be replayed" in shown
    assert "and 3 more" in shown
    assert other not in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("replay",), "name letters, or give --all"),
        (("replay", "x", "--all"), "name letters, or give --all"),
        (("list", "--url", "localhost"), "is no address"),
        (("list", "--url", URL), "cannot be reached"),
        (("list", "--key", ""), "--key: is missing"),
        (("list", "--key", "wrong"), "is no active key"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_told_in_a_line(words: tuple[str, ...], said: str) -> None:
    shown = run(*words, code=1)
    assert said in " ".join(shown.split())
    assert "Traceback" not in shown


def test_a_key_without_the_scope_is_told_how_to_get_one(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATCHCAST_API_KEY", SqlApiKeys(database).create("t", frozenset({"predict"}), NOW).text)
    assert "--scopes admin" in " ".join(run("list", code=1).split())


def test_an_address_of_something_else_is_told(broker: Recorder) -> None:
    assert "is this Matchcast's address" in run("list", "--url", f"{broker.url}/elsewhere", code=1)
