"""Work that may wait: in a thread, and not for ever."""

from asyncio import timeout
from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from matchcast.errors import TimedOut

T = TypeVar("T")


async def in_thread(seconds: float, work: Callable[..., T], *args: object, limiter: CapacityLimiter | None = None) -> T:
    """What `work` gives, which runs in a thread.

    Raises:
        TimedOut: it took longer; the thread goes on by itself.
    """
    try:
        async with timeout(seconds):
            return await to_thread.run_sync(work, *args, limiter=limiter, abandon_on_cancel=True)
    except TimeoutError as error:
        raise too_long(seconds) from error


def too_long(seconds: float) -> TimedOut:
    return TimedOut(f"this took longer than {seconds:g} s; try again, or ask for less")
