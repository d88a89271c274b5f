"""How requests wait for API keys that are read from a database that is slow, or away."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from matchcast.adapters import clock
from matchcast.errors import Unauthorised, Unavailable
from matchcast.ports import ApiKey
from matchcast.web import keys as keys_module
from matchcast.web.keys import KeyGuard

TEXT = "mc_id_random"
KEY = ApiKey(
    "id", "tests", hashlib.sha256(TEXT.encode()).hexdigest(), frozenset({"predict"}), datetime(2025, 1, 1, tzinfo=UTC),
    None, None,
)  # fmt: skip


class SlowKeys:
    """Keys in a database that answers when it is let to."""

    def __init__(self) -> None:
        self.answers = Event()
        self.answers.set()
        self.away = False
        self.asked = 0
        self.keys = [KEY]

    def active(self, now: datetime) -> Sequence[ApiKey]:
        self.asked += 1
        assert self.answers.wait(30)
        if self.away:
            raise Unavailable("the database is away")
        return self.keys


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[timedelta]:
    """What is put in here is added to the clock."""
    added: list[timedelta] = []
    monkeypatch.setattr(keys_module, "utc_now", lambda: clock.utc_now() + sum(added, timedelta()))
    return added


def test_one_request_waits_for_keys_read_anew_and_the_others_go_on(later: list[timedelta]) -> None:
    async def scenario() -> None:
        keys = SlowKeys()
        guard = KeyGuard(lambda: keys)
        await guard.admit(TEXT, {"predict"})
        keys.answers.clear()
        later.append(timedelta(seconds=6))
        waits = asyncio.create_task(guard.admit(TEXT, {"predict"}))
        while keys.asked < 2:
            await asyncio.sleep(0.01)
        for _ in range(20):
            assert await guard.admit(TEXT, {"predict"}) == KEY
        assert not waits.done()
        keys.answers.set()
        assert await waits == KEY
        assert keys.asked == 2

    asyncio.run(scenario())


def test_after_minutes_nobody_goes_on_with_keys_read_before(later: list[timedelta]) -> None:
    async def scenario() -> None:
        keys = SlowKeys()
        guard = KeyGuard(lambda: keys)
        await guard.admit(TEXT, {"predict"})
        keys.answers.clear()
        later.append(timedelta(minutes=2))
        waiting = [asyncio.create_task(guard.admit(TEXT, {"predict"})) for _ in range(3)]
        while keys.asked < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in waiting)
        keys.answers.set()
        assert await asyncio.gather(*waiting) == [KEY] * 3

    asyncio.run(scenario())


def test_keys_read_before_count_while_the_database_is_away(later: list[timedelta]) -> None:
    async def scenario() -> None:
        keys = SlowKeys()
        guard = KeyGuard(lambda: keys)
        await guard.admit(TEXT, {"predict"})
        keys.away = True
        for _ in range(3):
            later.append(timedelta(minutes=2))
            assert await guard.admit(TEXT, {"predict"}) == KEY
        with pytest.raises(Unauthorised):
            await guard.admit("mc_other_key", {"predict"})
        with pytest.raises(Unavailable, match="is away"):
            await KeyGuard(lambda: keys).admit(TEXT, {"predict"})

    asyncio.run(scenario())


def test_a_new_key_counts_at_once_and_unknown_ones_ask_the_database_once_a_second(later: list[timedelta]) -> None:
    async def scenario() -> None:
        keys = SlowKeys()
        guard = KeyGuard(lambda: keys)
        await guard.admit(TEXT, {"predict"})
        new = "mc_new_random"
        keys.keys = [KEY, KEY._replace(key_id="new", sha256=hashlib.sha256(new.encode()).hexdigest())]
        for _ in range(20):
            with pytest.raises(Unauthorised):
                await guard.admit(new, {"predict"})
        assert keys.asked == 1
        later.append(timedelta(seconds=1))
        found = await asyncio.gather(*(guard.admit(new, {"predict"}) for _ in range(20)))
        assert {key.key_id for key in found} == {"new"}
        assert keys.asked == 2

    asyncio.run(scenario())
