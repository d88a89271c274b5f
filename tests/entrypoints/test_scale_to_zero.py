"""A function as a process of its own: started on first traffic, stopped after idling, nobody refused."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from knative.local.activator import LARGEST_REQUEST, Activator
from knative.local.listeners import Listeners
from knative.local.processes import FunctionProcess, State

TINY = (sys.executable, "-m", "tests.entrypoints.tiny")


class Held:
    """A function behind its activator, and a client."""

    def __init__(self, process: FunctionProcess, url: str, http: aiohttp.ClientSession) -> None:
        self.process = process
        self.url = url
        self.http = http

    async def ask(
        self, path: str = "/", method: str = "GET", body: bytes | io.BytesIO | None = None
    ) -> tuple[int, str]:
        async with self.http.request(method, self.url + path, data=body) as answer:
            return answer.status, await answer.text()

    async def pid(self, path: str = "/") -> int:
        status, text = await self.ask(path)
        assert status == 200, text
        return int(text.split()[0])


@asynccontextmanager
async def held(
    idle: float = 60, hold: float = 20, concurrency: int = 0, seconds: float = 300, start: float | None = None,
    stop: float = 60, **environment: str,
) -> AsyncIterator[Held]:  # fmt: skip
    process = FunctionProcess("tiny", TINY, {**os.environ, **environment}, idle, hold, stop)
    listeners = Listeners()
    url = listeners.open()
    listeners.serve(url, Activator(process, concurrency, seconds, start))
    await listeners.start()
    watch = asyncio.create_task(process.watch())
    async with aiohttp.ClientSession() as http:
        try:
            yield Held(process, url, http)
        finally:
            watch.cancel()
            await process.close()
            await listeners.stop()
            assert process.pid is None


async def until_state(process: FunctionProcess, state: State) -> None:
    async with asyncio.timeout(30):
        while process.state is not state:
            await asyncio.sleep(0.01)


async def until_ready(tiny: Held) -> None:
    """Without asking it for anything."""
    async with tiny.process.instance():
        pass


def test_the_first_requests_are_held_until_one_process_is_ready() -> None:
    async def scenario() -> None:
        async with held() as tiny:
            assert tiny.process.state is State.STOPPED
            pids = await asyncio.gather(*(tiny.pid() for _ in range(20)))
            assert set(pids) == {tiny.process.pid}
            await until_state(tiny.process, State.READY)

    asyncio.run(scenario())


def test_requests_and_answers_pass_unchanged() -> None:
    async def scenario() -> None:
        async with held() as tiny:
            status, text = await tiny.ask("/a%2Fb/c?q=%C3%A9&x=1", "POST", b"body")
            assert (status, text.split(" ", 1)[1]) == (200, "POST /a/b/c?q=%C3%A9&x=1 body")
            status, text = await tiny.ask("/", "POST", io.BytesIO(b"x" * (LARGEST_REQUEST + 1)))
            assert (status, "larger than" in text) == (413, True)

    asyncio.run(scenario())


def test_it_is_stopped_after_idling_and_started_anew_on_traffic() -> None:
    async def scenario() -> None:
        async with held(idle=0.5) as tiny:
            first = await tiny.pid()
            await until_state(tiny.process, State.STOPPED)
            with pytest.raises(ProcessLookupError):
                os.kill(first, 0)
            assert await tiny.pid() != first

    asyncio.run(scenario())


def test_it_is_not_stopped_while_it_answers() -> None:
    async def scenario() -> None:
        async with held(idle=0.1) as tiny:
            first = await tiny.pid("/slow")
            assert first > 0

    asyncio.run(scenario())


def test_nobody_is_refused_while_one_process_stops_and_the_next_starts() -> None:
    async def scenario() -> None:
        async with held() as tiny:
            first = await tiny.pid()
            slow = asyncio.create_task(tiny.pid("/slow"))
            await asyncio.sleep(0.1)
            stopping = asyncio.create_task(tiny.process.stop())
            await until_state(tiny.process, State.STOPPING)
            later = await asyncio.gather(*(tiny.pid() for _ in range(5)))
            await stopping
            assert await slow == first
            assert first not in later
            assert len(set(later)) == 1

    asyncio.run(scenario())


def test_a_process_that_was_killed_is_started_anew_on_the_next_request() -> None:
    async def scenario() -> None:
        async with held() as tiny:
            for _ in range(3):
                pid = await tiny.pid()
                os.kill(pid, signal.SIGKILL)
                assert await tiny.pid() != pid

    asyncio.run(scenario())


def test_a_post_to_a_process_that_was_just_killed_goes_to_the_next_one() -> None:
    async def scenario() -> None:
        async with held() as tiny:
            for _ in range(3):
                pid = await tiny.pid()
                os.kill(pid, signal.SIGKILL)
                status, text = await tiny.ask("/", "POST", b"body")
                assert (status, text.split()[-1]) == (200, "body")
                assert int(text.split()[0]) != pid

    asyncio.run(scenario())


def test_a_request_in_flight_when_the_process_is_killed_is_sent_once_more_and_no_oftener() -> None:
    async def scenario() -> None:
        async with held() as tiny:
            first = await tiny.pid()
            slow = asyncio.create_task(tiny.ask("/slow", "POST"))
            await asyncio.sleep(0.2)
            os.kill(first, signal.SIGKILL)
            status, text = await slow
            assert status == 200
            assert int(text.split()[0]) != first
            status, text = await tiny.ask("/die", "POST")
            assert (status, "ended before it answered" in text) == (502, True)

    asyncio.run(scenario())


def test_as_many_requests_as_a_service_allows_are_handled_at_once_and_ten_times_as_many_wait() -> None:
    async def scenario() -> None:
        async with held(concurrency=1) as tiny:
            await tiny.pid()
            answers = await asyncio.gather(*(tiny.ask("/count") for _ in range(14)))
            assert sorted(status for status, _ in answers) == [200] * 11 + [503] * 3
            assert {text.split()[-1] for status, text in answers if status == 200} == {"1"}
            assert (await tiny.ask())[0] == 200

    asyncio.run(scenario())


@pytest.mark.parametrize(("seconds", "start"), [(0.3, None), (300, 0.3)])
def test_an_answer_that_begins_too_late_is_504_in_the_words_of_queue_proxy(seconds: float, start: float | None) -> None:
    async def scenario() -> None:
        async with held(seconds=seconds, start=start) as tiny:
            await until_ready(tiny)
            assert await tiny.ask("/slow", "POST") == (504, "request timeout")
            assert (await tiny.ask())[0] == 200

    asyncio.run(scenario())


def test_the_start_of_the_process_is_part_of_the_time_until_an_answer_begins() -> None:
    async def scenario() -> None:
        async with held(start=0.05) as tiny:
            assert await tiny.ask() == (504, "request timeout")
            await until_ready(tiny)
            assert (await tiny.ask())[0] == 200

    asyncio.run(scenario())


def test_an_answer_that_began_in_time_may_take_longer_to_end_and_is_cut_off_only_then() -> None:
    async def scenario() -> None:
        async with held(start=0.3) as tiny:
            await until_ready(tiny)
            assert (await tiny.ask("/drip"))[0] == 200
        async with held(seconds=0.4, start=0.3) as tiny:
            await until_ready(tiny)
            with pytest.raises(aiohttp.ClientError):
                await tiny.ask("/drip")

    asyncio.run(scenario())


def test_a_process_that_takes_longer_to_end_than_it_may_is_killed() -> None:
    async def scenario() -> None:
        for stop, killed in ((0.1, True), (10, False)):
            async with held(stop=stop) as tiny:
                first = await tiny.pid()
                slow = asyncio.create_task(tiny.pid("/slow"))
                await asyncio.sleep(0.1)
                await tiny.process.stop()
                assert (await slow != first) == killed

    asyncio.run(scenario())


def test_a_process_that_does_not_get_ready_is_503_after_a_while() -> None:
    async def scenario() -> None:
        async with held(hold=3, NOT_READY="1") as tiny:
            status, text = await tiny.ask()
            assert (status, "no model yet" in text) == (503, True)

    asyncio.run(scenario())


def test_a_process_that_ends_at_its_start_is_503_and_tried_again() -> None:
    async def scenario() -> None:
        async with held(FAIL="1") as tiny:
            for _ in range(2):
                status, text = await tiny.ask()
                assert (status, "ended with 3 at its start" in text) == (503, True)

    asyncio.run(scenario())
