"""PingSources, JobSinks and the environment of functions, outside the cluster."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from starlette.types import Receive, Scope, Send

from knative.local.addresses import Addresses
from knative.local.delivery import Courier, Place
from knative.local.environment import service_environment
from knative.local.jobs import JobSinks
from knative.local.listeners import Listeners
from knative.local.messages import Message, structured_json
from knative.local.objects import Container, Destination, JobSink, PingSource
from knative.local.ping import Pinger, next_due
from matchcast.errors import BadInput

START = datetime(2025, 3, 1, 5, 59, 58, tzinfo=UTC)


def ping_source(schedule: str) -> PingSource:
    sink = {"uri": "http://somewhere"}
    spec = {"schedule": schedule, "contentType": "application/json", "data": '{"a": 1}', "sink": sink}
    return PingSource.model_validate({"metadata": {"name": "daily"}, "spec": spec})


@pytest.mark.parametrize("schedule", ["", "0 6 * *", "0 6 * * * *", "61 6 * * *", "daily"])
def test_a_schedule_that_is_none_is_named(schedule: str) -> None:
    with pytest.raises(BadInput, match=r"PingSource daily: spec\.schedule"):
        next_due(ping_source(schedule), START)


def test_a_ping_source_sends_its_data_at_every_due_instant_once() -> None:
    """A clock that only sleeping moves: three days at six o'clock."""
    clock = [START]
    received: list[tuple[Mapping[str, str], bytes]] = []

    async def sleep(seconds: float) -> None:
        clock[0] += timedelta(seconds=seconds)
        if len(received) == 3:
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.append(({n.decode(): v.decode() for n, v in scope["headers"]}, (await receive())["body"]))
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def scenario() -> None:
        listeners, courier = Listeners(), Courier()
        url = listeners.open()
        listeners.serve(url, app)
        await listeners.start()
        pinger = Pinger(ping_source("0 6 * * *"), "ns", Place("sink", url), courier, lambda: clock[0], sleep)
        running = asyncio.create_task(pinger.run())
        async with asyncio.timeout(30):
            while len(received) < 3:
                await asyncio.sleep(0.01)
        running.cancel()
        await courier.close()
        await listeners.stop()

    asyncio.run(scenario())
    assert [headers["ce-time"] for headers, _ in received] == [f"2025-03-0{day}T06:00:00Z" for day in (1, 2, 3)]
    assert len({headers["ce-id"] for headers, _ in received}) == 3
    headers, body = received[0]
    assert headers["ce-type"] == "dev.knative.sources.ping"
    assert headers["ce-source"] == "/apis/v1/namespaces/ns/pingsources/daily"
    assert (headers["content-type"], body) == ("application/json", b'{"a": 1}')


def job_sink(**container: Any) -> JobSink:
    job = {"spec": {"template": {"spec": {"containers": [{"name": "c", **container}]}}}}
    return JobSink.model_validate({"metadata": {"name": "retrain"}, "spec": {"job": job}})


async def post_event(url: str, id_: str) -> int:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": id_,
        "ce-source": "/s",
        "ce-type": "t",
        "content-type": "application/json",
    }
    async with aiohttp.ClientSession() as http, http.post(url, data=b'{"n": 1}', headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize("jobs", [True, False])
def test_an_event_starts_a_job_once_and_only_where_jobs_are_wanted(tmp_path: Path, jobs: bool) -> None:
    command = ["sh", "-c", 'cat "$K_EVENT_PATH"; echo " $EXTRA"; exit 3']
    sink = job_sink(command=command, env=[{"name": "EXTRA", "value": "extra"}])

    async def scenario() -> None:
        listeners = Listeners()
        url = listeners.open()
        sinks = JobSinks([sink], Addresses("ns"), {"PATH": "/usr/bin:/bin"} if jobs else None, tmp_path / "jobs")
        listeners.serve(url, sinks)
        await listeners.start()
        for id_ in ("1", "1", "2"):
            assert await post_event(f"{url}/ns/retrain", id_) == 202
        assert await post_event(f"{url}/ns/other", "1") == 404
        async with asyncio.timeout(30):
            while jobs and sum(log.read_text().endswith(" extra\n") for log in tmp_path.glob("jobs/*/log")) < 2:
                await asyncio.sleep(0.01)
        await sinks.stop()
        await listeners.stop()

    asyncio.run(scenario())
    logs = [log.read_text() for log in tmp_path.glob("jobs/*/log")]
    assert len(logs) == (2 if jobs else 0)
    events = [json.loads(log.removesuffix(" extra\n")) for log in logs]
    assert {event["id"] for event in events} == ({"1", "2"} if jobs else set())
    assert all((event["data"], event["datacontenttype"]) == ({"n": 1}, "application/json") for event in events)


@asynccontextmanager
async def listening(sinks: JobSinks) -> AsyncIterator[str]:
    listeners = Listeners()
    url = listeners.open()
    listeners.serve(url, sinks)
    await listeners.start()
    try:
        yield f"{url}/ns/retrain"
    finally:
        await sinks.stop()
        await listeners.stop()


def job_sinks(folder: Path, *command: str) -> JobSinks:
    return JobSinks([job_sink(command=list(command))], Addresses("ns"), {"PATH": "/usr/bin:/bin"}, folder)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


def test_an_event_whose_job_did_not_start_is_refused_and_starts_it_when_it_comes_again(tmp_path: Path) -> None:
    program = tmp_path / "program"

    async def scenario() -> None:
        async with listening(job_sinks(tmp_path / "jobs", str(program))) as url:
            assert await post_event(url, "1") == 500
            assert not list(tmp_path.glob("jobs/*"))
            program.write_text("#!/bin/sh\necho ran\n")
            program.chmod(0o755)
            for _ in range(2):
                assert await post_event(url, "1") == 202
            await until(lambda: [f.read_text() for f in tmp_path.glob("jobs/*/status")] == ["0"])
            assert [f.read_text() for f in tmp_path.glob("jobs/*/log")] == ["ran\n"]

    asyncio.run(scenario())


def test_a_job_that_was_cut_off_is_run_when_its_event_comes_again_and_none_that_ended(tmp_path: Path) -> None:
    count = tmp_path / "count"
    command = ("sh", "-c", f"echo run >> {count}; test $(wc -l < {count}) -gt 1 || sleep 60")

    async def scenario() -> None:
        async with listening(job_sinks(tmp_path / "jobs", *command)) as url:
            for _ in range(2):
                assert await post_event(url, "1") == 202
            await until(count.exists)
        async with listening(job_sinks(tmp_path / "jobs", *command)) as url:
            assert await post_event(url, "1") == 202
            await until(lambda: bool(list(tmp_path.glob("jobs/*/status"))))
        async with listening(job_sinks(tmp_path / "jobs", *command)) as url:
            assert await post_event(url, "1") == 202

    asyncio.run(scenario())
    assert count.read_text() == "run\nrun\n"


def test_a_job_ends_with_the_runtime_and_so_does_all_that_it_started(tmp_path: Path) -> None:
    child = tmp_path / "child"

    async def scenario() -> None:
        async with listening(job_sinks(tmp_path / "jobs", "sh", "-c", f"sleep 60 & echo $! > {child}; wait")) as url:
            assert await post_event(url, "1") == 202
            await until(lambda: child.exists() and child.read_text().endswith("\n"))
        await until(lambda: not runs(int(child.read_text())))

    asyncio.run(scenario())


def runs(pid: int) -> bool:
    try:
        return b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_an_event_of_plain_text_starts_a_job(tmp_path: Path) -> None:
    event = Message({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}, "text/plain", b"hello")
    assert json.loads(structured_json(event))["data"] == "hello"
    assert json.loads(structured_json(event._replace(data=b"\xff")))["data_base64"] == "/w=="


def test_a_job_without_command_is_named_where_jobs_are_wanted() -> None:
    with pytest.raises(BadInput, match="JobSink retrain: its container has no command"):
        JobSinks([job_sink()], Addresses("ns"), {})


def test_a_function_is_told_what_its_manifest_says_in_terms_of_this_machine() -> None:
    addresses = Addresses("ns")
    addresses.add_service("predict", "http://127.0.0.1:1")
    addresses.add_broker("inference", "http://127.0.0.1:2")
    container = Container.model_validate(
        {
            "volumeMounts": [{"mountPath": "/cache"}],
            "env": [
                {"name": "PLAIN", "value": "manifest"},
                {"name": "OURS", "value": "manifest"},
                {"name": "CACHE", "value": "/cache/here"},
                {"name": "BROKER", "value": "http://inference-broker-ingress.ns.svc.cluster.local/x"},
                {
                    "name": "BOTH",
                    "value": "http://predict.ns.svc.cluster.local:80,http://predict-sync.ns.svc.cluster.local",
                },
                {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                {"name": "ABSENT", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            ],
        }
    )
    given = {"OURS": "process", "SECRET": "known", "K_SINK": "http://elsewhere"}
    assert service_environment("predict", container, "http://127.0.0.1:2", given, addresses) == {
        "PLAIN": "manifest",
        "OURS": "process",
        "BROKER": "http://127.0.0.1:2/x",
        "BOTH": "http://127.0.0.1:1,http://predict-sync.ns.svc.cluster.local",
        "SECRET": "known",
        "K_SINK": "http://127.0.0.1:2",
        "K_SERVICE": "predict",
        "K_CONFIGURATION": "predict",
        "K_REVISION": "predict-local",
    }


def test_a_path_at_an_object_is_part_of_its_address() -> None:
    addresses = Addresses("ns")
    addresses.add_service("letters", "http://127.0.0.1:1")
    ref = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "letters"}
    place = addresses.place(Destination.model_validate({"ref": ref, "uri": "/from/ingest"}))
    assert place == Place("http://letters.ns.svc.cluster.local/from/ingest", "http://127.0.0.1:1/from/ingest")
