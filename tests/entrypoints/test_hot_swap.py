"""A champion put in MinIO reaches every warm process while it serves, over the real services."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import yaml

from matchcast.adapters.registry import BUNDLE_FOLDER, BUNDLE_VERSION
from matchcast.events import ModelPromoted, ModelRejected, payload_of
from matchcast.model.bundle import load_bundle, pack_bundle
from matchcast.usecases.champion import CHAMPION_KEY, ChampionPointer, champion_pointer
from tests.entrypoints import fleet as fleets
from tests.entrypoints.fleet import REGISTERED, ROOT, TOKEN, Fleet, Load, until
from tests.entrypoints.house import bundle_files, passed, promote_unchecked

pytestmark = [
    pytest.mark.slow,
    # MLflow's own tables, on this release of SQLAlchemy
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[Fleet]:
    with fleets.running(tmp_path_factory.mktemp("fleet"), postgres) as running:
        yield running


def announced(fleet: Fleet, pointer: ChampionPointer) -> bool:
    """Whether the broker was told of it, and of nothing since."""
    last = fleet.broker.events[-1]
    if last.type != ModelPromoted.type():
        return False
    return payload_of(last, ModelPromoted).promoted_at.isoformat() == pointer.promoted_at


@pytest.fixture(scope="module")
def registry(fleet: Fleet) -> Fleet:
    """MLflow with three registered versions, where the operator runs commands."""
    import mlflow

    folder = fleet.folder / "operator"
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["registry"]["model"] = REGISTERED
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    uri = f"sqlite:///{folder}/var/mlflow.db"
    (folder / "var").mkdir()
    client = mlflow.MlflowClient(uri, uri)
    client.create_registered_model(REGISTERED)
    experiment = client.create_experiment(REGISTERED, (folder / "runs").as_uri())
    for seed in (1, 2, 3):
        kept = folder / f"model-{seed}" / "artifacts" / BUNDLE_FOLDER
        kept.mkdir(parents=True)
        for name, content in bundle_files(seed).items():
            (kept / name).write_bytes(content)
        run = client.create_run(experiment)
        version = load_bundle(bundle_files(seed)).version
        source = (folder / f"model-{seed}").as_uri()
        client.create_model_version(REGISTERED, source, run.info.run_id, tags={BUNDLE_VERSION: version})
    return fleet


def assert_whole(load: Load, *expected: tuple[str, str, tuple[float, ...]]) -> None:
    """No request failed, and each answer's version, run and probabilities belong together."""
    assert {answer.status for answer in load.answers} == {200}
    assert {answer.forecast for answer in load.answers} == set(expected)


def wrong_golden() -> dict[str, bytes]:
    """A bundle whose hashes are right, and whose golden rows are another model's."""
    bundle, rows = load_bundle(bundle_files(3)), passed().rows[:5]
    made = bundle.manifest
    return pack_bundle(
        bundle.forecaster, b"", bundle.contract, {"log_loss": 1.0}, rows, np.full((5, 3), 1 / 3), run_id="run of another",
        trained_from=made.trained_from, trained_until=made.trained_until, data_version="d", code_revision="c",
        params_hash="p", created_at=made.created_at,
    )  # fmt: skip


def notification(etag: str = "x", key: str = "house%2Fmodels%2Fchampion.json") -> dict[str, Any]:
    """As MinIO posts it."""
    put = {"bucket": {"name": "matchcast"}, "object": {"key": key, "size": 300, "eTag": etag, "sequencer": "17E"}}
    record = {"eventName": "s3:ObjectCreated:Put", "eventSource": "minio:s3", "s3": put}
    return {"EventName": "s3:ObjectCreated:Put", "Key": f"matchcast/{key}", "Records": [record]}


RIGHT: Mapping[str, str] = {"Authorization": f"Bearer {TOKEN}"}


def test_a_promotion_and_its_rollback_reach_four_loaded_processes_without_an_error_or_a_mixed_answer(
    registry: Fleet,
) -> None:
    fleet = registry
    fleet.command("promote", "1")
    first = fleet.settled(champion_pointer(fleet.objects))
    before = len(fleet.broker.events)
    with fleet.load() as load:
        promoted, _ = load.swap(lambda: fleet.command("promote", "2"))
        second = fleet.settled(promoted)
        back, _ = load.swap(lambda: fleet.command("rollback"))
        third = fleet.settled(back)
    assert_whole(load, first, second)
    assert third == first
    assert second[2] != first[2]
    assert back.version == first[0] != promoted.version
    assert back.promoted_at > promoted.promoted_at
    until(lambda: len(fleet.broker.events) >= before + 2)
    told = [payload_of(event, ModelPromoted).version for event in fleet.broker.events[before:]]
    assert told == [promoted.version, back.version]


def test_what_is_broken_replayed_out_of_order_or_not_ours_changes_nothing(fleet: Fleet) -> None:
    whole = fleet.set_champion(1)
    serving = fleet.settled(whole)
    until(lambda: announced(fleet, whole))
    told = len(fleet.broker.events)
    pointer = fleet.objects.get(CHAMPION_KEY)
    with fleet.load() as load:
        for _ in range(3):  # replayed, and telling of a pointer from before
            assert fleet.hook(json=notification(), headers=RIGHT) == 204
        assert fleet.hook(json=notification(), headers={"Authorization": "Bearer another"}) == 401
        assert fleet.hook(json=notification()) == 401
        for junk in (b"", b"{", b"\xff\xfe", b"[" * 100_000, json.dumps({"Records": [1]}).encode()):
            assert fleet.hook(content=junk, headers=RIGHT) == 204
        assert len(fleet.broker.events) == told

        altered = promote_unchecked(fleet.objects, {**bundle_files(3), "golden.json": b"[]"})
        until(lambda: len(fleet.broker.events) == told + 1)
        differs = promote_unchecked(fleet.objects, wrong_golden())
        until(lambda: len(fleet.broker.events) == told + 2)
        fleet.objects.put(CHAMPION_KEY, b"{")
        until(lambda: len(fleet.broker.events) == told + 3)
        fleet.objects.put(CHAMPION_KEY, pointer)
        until(lambda: all("going on with" in server.log for server in fleet.servers))
        assert fleet.ask() == {serving}
    assert_whole(load, serving)
    reasons = [payload_of(event, ModelRejected) for event in fleet.broker.events[told:]]
    assert [reason.version for reason in reasons] == [altered.version, differs.version, None]
    for rejected, words in zip(
        reasons, ("golden.json", "does not reproduce its golden rows", "cannot be read"), strict=True
    ):
        assert words in rejected.reason

    mended = fleet.set_champion(3)
    assert fleet.settled(mended) != serving


def test_a_promotion_while_reload_is_down_is_served_at_once_and_announced_when_it_is_back(fleet: Fleet) -> None:
    """MinIO keeps the notification in its folder."""
    first = fleet.set_champion(1)
    serving = fleet.settled(first)
    until(lambda: announced(fleet, first))
    told = len(fleet.broker.events)
    fleet.reload.stop()
    with fleet.load() as load:
        pointer, _ = load.swap(lambda: fleet.set_champion(2))
        new = fleet.settled(pointer)
    assert_whole(load, serving, new)
    assert len(fleet.broker.events) == told
    fleet.reload.start()
    until(lambda: len(fleet.broker.events) > told)
    assert payload_of(fleet.broker.events[-1], ModelPromoted).version == pointer.version


def test_a_promotion_without_redis_is_served_all_the_same(fleet: Fleet) -> None:
    serving = fleet.settled(fleet.set_champion(1))
    with fleet.load() as load:
        fleet.redis.kill()
        without, _ = load.swap(lambda: fleet.set_champion(2))
        second = fleet.settled(without)
        fleet.redis.start()
        again, _ = load.swap(lambda: fleet.set_champion(3))
        third = fleet.settled(again)
    assert_whole(load, serving, second, third)
