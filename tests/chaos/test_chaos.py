"""Processes are killed and services restarted while forecasts are asked for: nothing is lost, nothing is doubled."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from knative.local.manifests import BASE
from knative.local.services.postgres import Postgres, fresh_database, private_postgres
from knative.local.services.rabbitmq import Rabbitmq, private_rabbitmq
from matchcast.adapters.cloudevents import event_http
from matchcast.domain.event import Event
from tests.chaos.house import furnished
from tests.chaos.system import System, every, running, until
from tests.entrypoints import house as invented

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rabbit() -> Iterator[Rabbitmq]:
    with private_rabbitmq() as server:
        yield server


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with private_postgres(fsync=True) as server:
        yield server


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of the house, with tenths of the seconds between two tries."""
    folder = tmp_path_factory.mktemp("manifests") / "base"
    shutil.copytree(BASE, folder)
    triggers = folder / "triggers.yaml"
    text = triggers.read_text()
    assert "backoffDelay: PT1S" in text
    triggers.write_text(text.replace("backoffDelay: PT1S", "backoffDelay: PT0.1S"))
    return folder


@pytest.fixture
def system(tmp_path: Path, rabbit: Rabbitmq, server: Postgres, manifests: Path) -> Iterator[System]:
    name = f"chaos_{uuid4().hex}"
    rabbit.ctl("add_vhost", name)
    rabbit.ctl("set_permissions", "--vhost", name, "guest", ".*", ".*", ".*")
    with fresh_database(server.url) as url:
        house = furnished(tmp_path, url)
        with running(house, f"{rabbit.url}{name}", tmp_path / "log", "--manifests", str(manifests)) as system:
            yield system


def publish(system: System, event: Event) -> int:
    """Put an event onto the broker `inference` as anybody may."""
    headers, body = event_http(event)
    return httpx.post(system.broker("inference"), headers=headers, content=body, timeout=30).status_code


def dead_letters(system: System) -> list[dict[str, object]]:
    answer = system.client.get("/monitoring/dead-letters?open=true&limit=200")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, object]] = answer.json()["items"]
    return items


def test_a_function_killed_again_and_again_loses_and_doubles_nothing(system: System) -> None:
    system.wait_until_final(system.ask(5))
    accepted: list[str] = []
    with every(4, lambda: system.kill("predict_async")) as kills:
        while sum(kills) < 4 or len(accepted) < 200:
            accepted += system.ask(50)
    states = system.wait_until_final(accepted)
    assert states["success"] >= len(accepted) * 0.9
    assert len(dead_letters(system)) == states["failure"]
    system.assert_nothing_lost_or_doubled(accepted)


def test_rabbitmq_may_die_and_come_back_while_forecasts_are_asked_for(system: System, rabbit: Rabbitmq) -> None:
    accepted = system.ask(20)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(system.ask, 100)
        rabbit.kill()
        refused = system.ask(3)
        rabbit.start()
        accepted += asked.result()
    assert refused == []
    accepted += until(lambda: system.ask(20) or None, 60)
    assert system.wait_until_final(accepted) == {"success": len(accepted)}
    system.assert_nothing_lost_or_doubled(accepted)
    assert sum(system.states().values()) == len(accepted), "a refused request left a task"


def test_postgresql_may_restart_while_forecasts_are_asked_for(system: System, server: Postgres) -> None:
    system.wait_until_final(system.ask(5))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(system.ask, 300)
        time.sleep(1)
        server.kill()
        time.sleep(1)
        server.start()
        accepted = asked.result()
    again = until(lambda: system.ask(1) or None, 60)
    states = system.wait_until_final([*accepted, *again])
    assert accepted
    assert states["success"] >= len(accepted) // 2
    system.assert_nothing_lost_or_doubled(accepted)
    assert len(dead_letters(system)) == states["failure"]


def test_two_thousand_events_are_all_handled_while_their_consumers_restart(system: System) -> None:
    accepted: list[str] = []
    with every(5, lambda: system.kill("predict_async")) as kills:
        while len(accepted) < 2000:
            accepted += system.ask(500, threads=8)
        system.wait_until_final(accepted, 300)
    assert sum(kills) >= 2
    system.assert_nothing_lost_or_doubled(accepted)


def test_poison_is_rejected_and_the_rest_goes_on(system: System) -> None:
    now = datetime.now(UTC)
    poison = [
        {"task_id": "unknown", "match_id": 1},
        {"task_id": "t", "match_id": "no number"},
        {"nothing": "known"},
        ["a", "list"],
        None,
        "x" * 100_000,
    ]
    for turn, data in enumerate(poison):
        event = Event(f"poison{turn}", "/tests", "org.matchcast.prediction.requested", now, data)
        assert publish(system, event) == 202
    accepted = system.ask(20)
    assert system.wait_until_final(accepted) == {"success": 20}
    assert dead_letters(system) == []
    system.assert_nothing_lost_or_doubled(accepted)


def test_an_event_delivered_many_times_at_once_has_one_effect(system: System) -> None:
    (task_id,) = system.ask(1)
    ((id_, source),) = until(
        lambda: system.rows("SELECT id, source FROM handled_events WHERE consumer = 'predict-async'") or None, 60
    )
    match_id = next(f.match_id for f in invented.fixtures() if f.kickoff_at > invented.NOW)
    data = {"task_id": task_id, "match_id": match_id, "model": "champion"}
    event = Event(id_, source, "org.matchcast.prediction.requested", datetime.now(UTC), data)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: publish(system, event), range(200))) == {202}
    accepted = system.ask(5)
    assert system.wait_until_final([task_id, *accepted]) == {"success": 6}
    system.assert_nothing_lost_or_doubled([task_id, *accepted])


def test_what_cannot_be_handled_now_becomes_a_dead_letter_and_is_replayed_by_one_command(system: System) -> None:
    pointer = system.house.folder / "objects" / "models" / "champion.json"
    away = pointer.with_suffix(".away")
    pointer.rename(away)
    system.kill("predict_async")
    accepted = system.ask(3)
    assert system.wait_until_final(accepted) == {"failure": 3}
    letters = until(lambda: ((found := dead_letters(system)) and len(found) == 3 and found) or None, 30)
    away.rename(pointer)
    program = Path(sys.executable).parent / "matchcast"
    replayed = subprocess.run(
        [program, "dead-letters", "replay", "--all", "--url", system.base, "--key", system.key],
        capture_output=True,
        text=True,
        check=False,
    )
    assert replayed.returncode == 0, replayed.stderr
    until(lambda: system.states() == {"success": 3} or None, 60, lambda: str(system.states()))
    assert dead_letters(system) == []
    assert len(letters) == 3
    system.assert_nothing_lost_or_doubled(accepted)
