"""How often a key may ask, what it is told of it, and that processes count together where there is a Redis."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from redis import Redis

from functions.lookup.main import app
from functions.predict_sync.main import app as predict_sync
from knative.local.services.redis import private_redis
from matchcast.web.app import LARGEST_BODY
from tests.entrypoints import house
from tests.entrypoints.house import House
from tests.entrypoints.served import PAIRING, assert_problem, served
from tests.entrypoints.surface import whole_surface

PATH = f"/predict/{house.fixtures()[0].match_id}"


def limited(home: House, quota: int, seconds: float = 3600, **more: str) -> dict[str, str]:
    return {**home.environment, "MATCHCAST_RATE_QUOTA": str(quota), "MATCHCAST_RATE_SECONDS": f"{seconds:g}", **more}


def left(answer: httpx.Response) -> tuple[int, int]:
    """Requests that may follow, and seconds until there are more."""
    told = re.fullmatch(r'"key";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    assert told is not None
    return int(told[1]), int(told[2])


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def test_every_answer_to_a_key_tells_what_is_left(standing: House) -> None:
    with served(app(limited(standing, 100)), standing.key("predict")) as client:
        known = {"If-None-Match": client.get(PATH).headers["etag"]}
        answers = [
            client.get(PATH), client.get(PATH, headers=known), client.get("/predict/1"), client.get("/predict/x"),
            client.get("/monitoring/task_status/none"),
        ]  # fmt: skip
        assert [answer.status_code for answer in answers] == [200, 304, 404, 422, 404]
        assert [left(answer)[0] for answer in answers] == [98, 97, 96, 95, 94]
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"key";q=100;w=3600'}


def test_a_body_that_is_too_large_counts_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    def unannounced() -> Iterator[bytes]:
        yield b" " * (LARGEST_BODY + 1)

    with whole_surface(tmp_path_factory.mktemp("limited"), MATCHCAST_RATE_QUOTA="100") as client:
        before, _ = left(client.post("/predict/", json=PAIRING))
        answer = client.post("/predict/", content=unannounced(), headers={"Content-Type": "application/json"})
        assert_problem(answer, 413)
        assert left(answer)[0] == before - 1


def test_several_matches_count_as_several_requests(furnished: House) -> None:
    """More than the quota count as a whole bucket, so that they can be asked for at all."""
    with served(predict_sync(limited(furnished, 10)), furnished.key("predict")) as client:
        several = [client.post("/predict/", json={"matches": [PAIRING] * count}) for count in (6, 5, 3)]
        assert [(answer.status_code, left(answer)[0]) for answer in several] == [(200, 4), (429, 3), (200, 0)]
    other = {"X-API-Key": furnished.key("predict")}
    with served(predict_sync(limited(furnished, 10))) as client:
        many = client.post("/predict/", json={"matches": [PAIRING] * 200}, headers=other)
        assert (many.status_code, left(many)[0]) == (200, 0)


def test_who_asks_too_often_is_told_when_to_come_back_and_others_are_not(standing: House) -> None:
    other = {"X-API-Key": standing.key("predict")}
    with served(app(limited(standing, 2)), standing.key("predict")) as client:
        assert [left(client.get(PATH))[0] for _ in range(2)] == [1, 0]
        refused = client.get(PATH)
        assert_problem(refused, 429, None, "this key may ask 2 times in 3600 s; wait ")
        remaining, seconds = left(refused)
        assert remaining == 0
        assert int(refused.headers["retry-after"]) == seconds
        assert 1700 < seconds <= 1800
        assert left(client.get(PATH, headers=other))[0] == 1


def test_what_needs_no_key_is_not_counted_and_no_key_is_not_told(standing: House) -> None:
    with served(app(limited(standing, 1))) as client:
        for path in ("/livez", "/metrics", "/matches/?limit=1"):
            for _ in range(3):
                answer = client.get(path)
                assert answer.status_code == 200
                assert "ratelimit" not in answer.headers
        assert "ratelimit" not in client.get(PATH).headers
        assert "ratelimit" not in client.get(PATH, headers={"X-API-Key": "mc_no_key"}).headers


def test_the_quota_comes_back(standing: House) -> None:
    with served(app(limited(standing, 2, 4)), standing.key("predict")) as client:
        until(lambda: client.get(PATH).status_code == 429)
        wait = int(client.get(PATH).headers["retry-after"])
        assert 1 <= wait <= 2
        time.sleep(wait)
        assert client.get(PATH).status_code == 200


def test_a_quota_of_0_is_no_limit(standing: House) -> None:
    with served(app(limited(standing, 0)), standing.key("predict")) as client:
        for _ in range(20):
            answer = client.get(PATH)
            assert answer.status_code == 200
            assert not {"ratelimit", "ratelimit-policy"} & set(answer.headers)


@contextmanager
def lookup(environment: dict[str, str]) -> Iterator[httpx.Client]:
    """A lookup in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "functions.lookup"],
        env={**os.environ, **environment, "PORT": str(port), "MATCHCAST_HOST": "127.0.0.1"},
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            until(lambda: ready(client))
            yield client
    finally:
        process.kill()
        process.wait()


def ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_two_processes_share_the_limit_over_redis_and_count_alone_without_it(standing: House) -> None:
    keys = [standing.key("predict") for _ in range(3)]
    with private_redis() as redis, ExitStack() as stack:
        environment = limited(standing, 5, MATCHCAST_CACHE_URL=redis.url)
        one, other = (stack.enter_context(lookup(environment)) for _ in range(2))
        counted = stack.enter_context(Redis.from_url(redis.url))

        def asked(client: httpx.Client, key: str) -> httpx.Response:
            return client.get(PATH, headers={"X-API-Key": key})

        def connected(client: httpx.Client, warm: str) -> bool:
            asked(client, warm)
            return bool(counted.keys(f"*{warm.split('_')[1]}*"))

        until(lambda: connected(one, keys[0]))
        until(lambda: connected(other, keys[1]))
        key = keys[2]
        assert [left(asked(client, key))[0] for client in (one, other, one, other, one)] == [4, 3, 2, 1, 0]
        assert_problem(asked(one, key), 429)
        assert_problem(asked(other, key), 429)
        redis.kill()
        assert [left(asked(client, key))[0] for client in (one, other)] == [4, 4]
