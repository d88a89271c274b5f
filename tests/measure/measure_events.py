"""Events a second through the whole chain, beside a bare publish and consume of the same messages.

    python -m tests.measure.measure_events [--events 2000] [--kills 0]

POST /predict/async/ → RabbitMQ → predict-async → task success, on real RabbitMQ and PostgreSQL; beside it, in the same
run, aio-pika alone: each message published with a confirm to a durable quorum queue, consumed and acknowledged. Then
single requests at low load, from POST to the task's success. With --kills N the functions are killed N times at random
moments meanwhile, and what became of every event is counted.
"""

import argparse
import asyncio
import http.client
import json
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import aio_pika
import psycopg

from knative.local.services.postgres import private_postgres
from knative.local.services.rabbitmq import private_rabbitmq
from tests.chaos.house import furnished
from tests.chaos.system import System, running
from tests.measure.cpu import command, descendants, parent_of, seconds_alone, seconds_with_children

AT_ONCE: Final = 32
"""Requests, or unconfirmed messages, that are open at the same time."""
ALONE: Final = 300
"""Requests at low load."""


async def bare(url: str, bodies: list[bytes]) -> float:
    """Seconds to publish (with confirms) and consume (with acknowledgements) these messages."""
    connection = await aio_pika.connect(url)
    async with connection:
        publishing, consuming = await connection.channel(), await connection.channel()
        await consuming.set_qos(prefetch_count=100)
        queue = await consuming.declare_queue("bare", durable=True, arguments={"x-queue-type": "quorum"})
        left, done = len(bodies), asyncio.Event()

        async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            nonlocal left
            await message.ack()
            left -= 1
            if left == 0:
                done.set()

        await queue.consume(take)
        open_ = asyncio.Semaphore(AT_ONCE)

        async def put(body: bytes) -> None:
            async with open_:
                message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
                await publishing.default_exchange.publish(message, "bare")

        begun = time.perf_counter()
        await asyncio.gather(*(put(body) for body in bodies))
        await done.wait()
        took = time.perf_counter() - begun
        await queue.delete(if_unused=False, if_empty=False)
    return took


class Cpu:
    """Seconds of CPU that each part of the chain takes."""

    def __init__(self, system: System) -> None:
        (forecasting,) = system.processes("predict_async")
        (rabbit,) = (pid for pid in descendants(os.getpid()) if command(pid)[0].endswith("/beam.smp"))
        with psycopg.connect(system.house.url) as connection:
            (backend,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
            postgres = parent_of(backend)
        self._parts: dict[str, Callable[[], float]] = {
            "local runtime": lambda: seconds_alone(system.runtime_id),
            "predict-async": lambda: seconds_alone(forecasting),
            "RabbitMQ": lambda: seconds_alone(rabbit),
            "PostgreSQL": lambda: seconds_with_children(postgres),
            "load": time.process_time,
        }

    def now(self) -> dict[str, float]:
        return {name: seconds() for name, seconds in self._parts.items()}


class Asking:
    """Asks for forecasts over connections that stay open, one a thread."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._of_thread = threading.local()

    def once(self, _: int = 0) -> str | None:
        """The id of the accepted task; None if it was refused."""
        connection: http.client.HTTPConnection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = self._of_thread.connection = http.client.HTTPConnection(
                "127.0.0.1", int(self._system.base.rpartition(":")[2]), timeout=120
            )
        headers = {"X-API-Key": self._system.key, "Content-Type": "application/json"}
        try:
            connection.request("POST", "/predict/async/", json.dumps(self._system.question()), headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            self._of_thread.connection = None
            return None
        return str(json.loads(content)["task_id"]) if answer.status == 202 else None

    def many(self, count: int) -> list[str]:
        """The ids of the accepted tasks."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return [task_id for task_id in pool.map(self.once, range(count)) if task_id]


def alone(system: System) -> list[float]:
    """Seconds from POST to the task's success, one after the other."""
    asking, took = Asking(system), []
    with psycopg.connect(system.house.url, autocommit=True) as database:
        for _ in range(ALONE):
            begun = time.perf_counter()
            task_id = asking.once()
            while database.execute("SELECT state FROM tasks WHERE task_id = %s", (task_id,)).fetchone() != ("success",):
                time.sleep(0.001)
            took.append(time.perf_counter() - begun)
            time.sleep(0.02)
    return took


def kill_at_random(system: System, kills: int, over: threading.Event) -> int:
    """SIGKILL processes of functions at random moments; how many there were."""
    rng, killed = random.Random(4), 0
    while killed < kills and not over.wait(rng.uniform(4, 20)):
        killed += system.kill(rng.choice(("predict_async", "predict_async", "predict_async", "deadletter")))
    return killed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=0)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as temporary,
        private_rabbitmq() as rabbit,
        private_postgres(fsync=True) as server,
    ):
        with psycopg.connect(f"{server.url}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE measured")
        house = furnished(Path(temporary), f"{server.url}/measured")
        with running(house, rabbit.url, Path(temporary) / "log", "--idle-seconds", "600") as system:
            asking = Asking(system)
            asking.many(200)  # everything is started and warm
            if not arguments.kills:
                tell_speed(system, asking, rabbit.url, arguments.events)
            else:
                tell_fates(system, asking, arguments.events, arguments.kills)


def tell_speed(system: System, asking: Asking, url: str, events: int) -> None:
    body = json.dumps({"task_id": "0" * 32, "match_id": 2**52, "model": "champion"}).encode()
    alone_took = sorted(alone(system))
    before = asyncio.run(bare(url, [body] * events))
    cpu = Cpu(system)
    at_first, begun = cpu.now(), time.perf_counter()
    accepted = asking.many(events)
    asked = time.perf_counter() - begun
    system.wait_until_final(accepted, 1200)
    whole, at_last = time.perf_counter() - begun, cpu.now()
    after = asyncio.run(bare(url, [body] * events))
    alone_bare = (before + after) / 2
    system.assert_nothing_lost_or_doubled(accepted)
    print(f"bare aio-pika, publish with confirm and consume: {events / alone_bare:,.0f} events/s")
    print(f"POST to accepted: {len(accepted) / asked:,.0f} requests/s")
    print(f"POST to task success: {len(accepted) / whole:,.0f} events/s; ratio {alone_bare / whole:.2f}")
    took = {name: at_last[name] - at_first[name] for name in at_first}
    for name, seconds in took.items():
        print(f"  CPU of {name}: {seconds / events * 1e3:.2f} ms/event, {seconds / whole:.0%} of a core")
    p99 = alone_took[int(len(alone_took) * 0.99)]
    print(f"low load, POST to success: median {statistics.median(alone_took) * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms")


def tell_fates(system: System, asking: Asking, events: int, kills: int) -> None:
    over, warm = threading.Event(), system.states()
    begun = time.perf_counter()
    accepted: list[str] = []
    refused = 0
    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill_at_random, system, kills, over)
        while len(accepted) < events:
            asked = min(5000, events - len(accepted))
            taken = asking.many(asked)
            accepted += taken
            refused += asked - len(taken)
        over.set()
        killed = killing.result()
    states = system.wait_until_final(accepted, 3600)
    took = time.perf_counter() - begun
    (letters,) = system.rows("SELECT count(*) FROM dead_events")
    recorded = system.rows(
        "SELECT forecast_id, (home_team, away_team, kickoff_at)::text FROM forecasts WHERE cause = 'requested'"
    )
    told = {row[0] for row in system.rows("SELECT (result->>'forecast_id')::bigint FROM tasks WHERE state = 'success'")}
    doubled = len(recorded) - len({row[1] for row in recorded}) + len({row[0] for row in recorded} - told)
    lost = len(accepted) - sum(states.values())
    print(f"{took:,.0f} s, {killed} processes killed: {len(accepted):,} accepted, {refused:,} refused, ", end="")
    print(f"{states['success']:,} completed, {letters[0]:,} dead-lettered, {lost} lost, {doubled} doubled; ", end="")
    left = system.states() - states - warm
    print(f"of requests without an answer {left['success']:,} were done, {left['pending']:,} never reached the broker")


if __name__ == "__main__":
    main()
