"""The ports of `ports.cache` in memory and over a real Redis, and what becomes of them while Redis is away."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knative.local.services.redis import RedisServer, private_redis
from matchcast.adapters.cache_memory import MemoryCache
from matchcast.adapters.cache_redis import RedisCache
from matchcast.ports.cache import LOOKED_FOR, Policy, Shared, Taken

NOW = datetime(2025, 3, 1, 9, tzinfo=UTC)
ONE_A_SECOND = Policy(5, 5.0)
EVERY_KIND = pytest.mark.parametrize("shared", ["memory", "redis"], indirect=True)


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with private_redis() as server:
        yield server


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.01)


def connected(server: RedisServer, settle: float = 0.0) -> RedisCache:
    """One that reached its server."""
    cache = RedisCache(server.url, settle)
    until(lambda: is_connected(cache))
    return cache


def is_connected(cache: RedisCache) -> bool:
    """Whether it remembers: without Redis it does not."""
    key = uuid4().hex
    cache.put(key, b"x", 5)
    return cache.get(key) == b"x"


@pytest.fixture(scope="module")
def both(redis: RedisServer) -> Iterator[dict[str, Shared]]:
    over_redis = connected(redis)
    yield {"memory": MemoryCache(), "redis": over_redis}
    over_redis.close()


@pytest.fixture
def shared(request: pytest.FixtureRequest, both: dict[str, Shared]) -> Shared:
    return both[request.param]


@pytest.fixture
def key() -> str:
    return uuid4().hex


@EVERY_KIND
def test_what_was_put_is_got(shared: Shared, key: str) -> None:
    for value in (b"one", b"", bytes(range(256)), b"x" * 100_000):
        shared.put(key, value, 60)
        assert shared.get(key) == value
    assert shared.get(f"{key} of another") is None


@EVERY_KIND
def test_what_was_put_is_forgotten_in_time(shared: Shared, key: str) -> None:
    shared.put(key, b"soon gone", 0.05)
    shared.put(f"{key} kept", b"stays", 60)
    until(lambda: shared.get(key) is None)
    assert shared.get(f"{key} kept") == b"stays"


@EVERY_KIND
def test_a_full_bucket_gives_its_quota_at_once_and_no_more(shared: Shared, key: str) -> None:
    answers = [shared.take(key, ONE_A_SECOND, NOW) for _ in range(7)]
    assert [a.allowed for a in answers] == [True] * 5 + [False] * 2
    assert [a.remaining for a in answers] == [4, 3, 2, 1, 0, 0, 0]
    assert [a.reset_seconds for a in answers] == pytest.approx([1, 2, 3, 4, 5, 1, 1])


@EVERY_KIND
def test_a_bucket_fills_evenly(shared: Shared, key: str) -> None:
    for _ in range(5):
        shared.take(key, ONE_A_SECOND, NOW)
    assert not shared.take(key, ONE_A_SECOND, NOW + timedelta(seconds=0.9)).allowed
    assert shared.take(key, ONE_A_SECOND, NOW + timedelta(seconds=1.1)).allowed
    assert not shared.take(key, ONE_A_SECOND, NOW + timedelta(seconds=1.2)).allowed
    assert shared.take(key, ONE_A_SECOND, NOW + timedelta(days=3)).remaining == 4


@EVERY_KIND
def test_each_key_has_a_bucket_of_its_own(shared: Shared, key: str) -> None:
    alone = Policy(1, 3600)
    assert shared.take(key, alone, NOW).allowed
    assert not shared.take(key, alone, NOW).allowed
    assert shared.take(f"{key} of another", alone, NOW).allowed


@EVERY_KIND
def test_a_clock_set_back_lets_nothing_flow_in(shared: Shared, key: str) -> None:
    for _ in range(5):
        shared.take(key, ONE_A_SECOND, NOW)
    for seconds in (-3600, -1, 0, -7200, 0.5):
        assert not shared.take(key, ONE_A_SECOND, NOW + timedelta(seconds=seconds)).allowed


@EVERY_KIND
def test_requests_at_once_share_one_quota(shared: Shared, key: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shared.take(key, Policy(50, 60), NOW), range(200)))
    assert sum(a.allowed for a in answers) == 50


def test_instances_share_one_quota_over_redis(redis: RedisServer, key: str) -> None:
    instances = [connected(redis) for _ in range(3)]
    answers = [instances[i % 3].take(key, ONE_A_SECOND, NOW) for i in range(9)]
    assert [a.allowed for a in answers] == [True] * 5 + [False] * 4
    for instance in instances:
        instance.close()


policies = st.builds(Policy, st.integers(1, 20), st.floats(0.1, 100))
pauses = st.lists(st.floats(0, 20).map(lambda s: timedelta(seconds=s)), min_size=1, max_size=60)


@EVERY_KIND
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policy=policies, pauses=pauses)
def test_never_more_than_quota_and_what_flowed_in_in_any_span(
    shared: Shared, policy: Policy, pauses: list[timedelta]
) -> None:
    key, now, allowed_at = uuid4().hex, NOW, []
    for pause in pauses:
        now += pause
        answer = shared.take(key, policy, now)
        assert 0 <= answer.remaining < policy.quota
        assert 0 < answer.reset_seconds <= policy.window_seconds
        if answer.allowed:
            allowed_at.append(now)
    for i, first in enumerate(allowed_at):
        for j, last in enumerate(allowed_at[i:], 1):
            flowed = (last - first).total_seconds() * policy.quota / policy.window_seconds
            assert j <= policy.quota + flowed + 1e-4


@EVERY_KIND
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policy=policies, pauses=pauses)
def test_who_waits_as_long_as_told_is_served(shared: Shared, policy: Policy, pauses: list[timedelta]) -> None:
    key, now = uuid4().hex, NOW
    for pause in pauses:
        now += pause
        answer = shared.take(key, policy, now)
        if not answer.allowed:
            now += timedelta(seconds=answer.reset_seconds + 1e-4)
            assert shared.take(key, policy, now).allowed


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policy=policies, pauses=pauses)
def test_memory_and_redis_give_the_same_answers(
    both: dict[str, Shared], policy: Policy, pauses: list[timedelta]
) -> None:
    key, now = uuid4().hex, NOW
    for pause in pauses:
        now += pause
        assert both["memory"].take(key, policy, now) == both["redis"].take(key, policy, now)


def test_memory_forgets_what_was_used_longest_ago_when_it_is_full() -> None:
    cache = MemoryCache(largest=100, most_buckets=2)
    cache.put("a", b"x" * 40, 60)
    cache.put("b", b"x" * 40, 60)
    assert cache.get("a") is not None
    cache.put("c", b"x" * 40, 60)
    assert (cache.get("a") is None, cache.get("b") is None, cache.get("c") is None) == (False, True, False)
    cache.put("larger than all", b"x" * 101, 60)
    assert cache.get("larger than all") is None
    alone = Policy(1, 3600)
    for key in ("a", "b", "a", "c", "b"):
        cache.take(key, alone, NOW)
    assert cache.take("a", alone, NOW).allowed


def test_listeners_in_memory_hear_their_topic() -> None:
    cache, heard = MemoryCache(), []
    cache.listen("champion", lambda: heard.append("champion"))
    cache.announce("snapshot")
    assert heard == []
    cache.announce("champion")
    assert heard == ["champion"]


@EVERY_KIND
def test_many_are_remembered_and_found_in_one_go(shared: Shared, key: str) -> None:
    shared.put_many({f"{key}:{number}": b"%d" % number for number in range(3)}, 60)
    shared.put_many({}, 60)
    found = shared.get_many([f"{key}:{number}" for number in (2, 7, 0)])
    assert found == {f"{key}:2": b"2", f"{key}:0": b"0"}
    assert shared.get(f"{key}:1") == b"1"
    assert shared.get_many([]) == {}


@EVERY_KIND
def test_several_are_taken_at_once_or_none(shared: Shared, key: str) -> None:
    policy = Policy(10, 10.0)
    assert shared.take(key, policy, NOW, 7) == Taken(True, 3, 7)
    assert shared.take(key, policy, NOW, 5) == Taken(False, 3, 2)
    assert shared.take(key, policy, NOW, 3) == Taken(True, 0, 10)


def test_other_instances_hear_their_topic_over_redis(redis: RedisServer) -> None:
    listening, champion, snapshot = RedisCache(redis.url, 0.0), Event(), Event()
    listening.listen("champion", champion.set)
    listening.listen("snapshot", snapshot.set)
    assert champion.wait(10)  # some may have been missed before
    assert snapshot.wait(10)
    champion.clear()
    snapshot.clear()
    telling = RedisCache(redis.url)
    telling.announce("champion")
    assert champion.wait(10)
    assert not snapshot.is_set()
    telling.close()
    listening.close()


def test_to_ask_for_a_problem_is_enough_to_find_it(redis: RedisServer) -> None:
    """A process that shares nothing yet tells of it all the same."""
    away, there = RedisCache("redis://127.0.0.1:1/0", settle=0), RedisCache(redis.url, settle=0)
    assert (away.problem(), there.problem()) == (LOOKED_FOR, LOOKED_FOR)
    until(lambda: "cannot be used" in (away.problem() or "") and there.problem() is None)
    for cache in (away, there):
        cache.close()


def test_nothing_is_imported_or_connected_before_the_first_answer_is_out(redis: RedisServer, key: str) -> None:
    cache = RedisCache(redis.url, settle=3600)
    cache.put(key, b"x", 60)
    assert cache.get(key) is None
    assert cache.take(key, ONE_A_SECOND, NOW).remaining == 4
    assert cache.problem() == LOOKED_FOR
    assert "_redis" not in cache.__dict__
    cache.close()


def test_without_redis_nothing_raises_and_limits_count_here(caplog: pytest.LogCaptureFixture, key: str) -> None:
    cache = RedisCache("redis://:a-secret@127.0.0.1:1/0", settle=0.0)
    cache.put(key, b"x", 60)
    until(lambda: cache.problem() not in (None, LOOKED_FOR))
    assert cache.get(key) is None
    assert [cache.take(key, ONE_A_SECOND, NOW).allowed for _ in range(6)] == [True] * 5 + [False]
    cache.announce("champion")
    said = cache.problem()
    assert said == "Redis cannot be used (ConnectionError): answers are slower, limits count per instance"
    assert "Redis at 127.0.0.1:1 cannot be used" in caplog.text
    assert "a-secret" not in said + caplog.text
    cache.close()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_redis_goes_away_and_comes_back(how: str, caplog: pytest.LogCaptureFixture) -> None:
    """Under load nothing raises, buckets are counted here meanwhile, notices and remembering come back by themselves."""
    caplog.set_level("INFO", "matchcast.cache")
    with private_redis() as server:
        cache, heard = connected(server), Event()
        cache.listen("champion", heard.set)
        answers, stop = [], Event()

        def load(name: str) -> None:
            while not stop.is_set():
                cache.put(name, b"x", 60)
                cache.get(name)
                answers.append(cache.take(name, Policy(10**9, 1.0), NOW).allowed)
                time.sleep(0.001)

        with ThreadPoolExecutor(4) as pool:
            loads = [pool.submit(load, str(i)) for i in range(4)]
            for _ in range(2):
                server.kill() if how == "kill" else server.freeze()
                until(lambda: cache.problem() is not None)
                before = len(answers)
                until(lambda: len(answers) > before + 100)  # noqa: B023
                assert not is_connected(cache)
                heard.clear()
                server.start() if how == "kill" else server.thaw()
                until(lambda: cache.problem() is None)
                assert heard.wait(10)  # what was missed meanwhile
                until(lambda: is_connected(cache))
                heard.clear()
                cache.announce("champion")
                assert heard.wait(10)
            stop.set()
            for each in loads:
                each.result()
        assert all(answers)
        assert caplog.text.count("cannot be used") == caplog.text.count("is back") == 2
        cache.close()


def test_a_redis_that_refuses_to_write_is_told_of_and_read_from(key: str, caplog: pytest.LogCaptureFixture) -> None:
    with private_redis() as server:
        cache = connected(server)
        cache.put(key, b"x", 60)
        server.kill()
        server.start("--maxmemory", "1")

        def refused() -> bool:
            cache.put(key, b"x", 60)
            return "refuses SET" in (cache.problem() or "")

        until(refused)
        assert "used memory > 'maxmemory'" in caplog.text
        assert "127.0.0.1" not in (cache.problem() or "")
        assert cache.get(key) is None
        assert cache.take(key, ONE_A_SECOND, NOW).remaining == 4
        server.kill()
        server.start()
        until(lambda: is_connected(cache))
        cache.take(key, ONE_A_SECOND, NOW)
        assert cache.problem() is None
        cache.close()
