"""Whether a function can answer, and what it goes on without. No probe waits for what is slow or away."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from threading import Lock, Thread
from typing import Final

import msgspec
from starlette.responses import Response
from starlette.types import Scope

from matchcast.errors import MatchcastError
from matchcast.telemetry import Telemetry
from matchcast.web.problems import problem, without_addresses

EVERY: Final = 1.0
"""Seconds between two looks at what is needed."""
_WAIT: Final = 2.0
_TICK: Final = 0.005
_LOG: Final = logging.getLogger("matchcast.web")

Checks = Mapping[str, Callable[[], object]]
"""What must be there for a function to answer: a name, and what raises a MatchcastError while it is missing."""

Behind = Mapping[str, Callable[[], str | None]]
"""What a function goes on without, or with what it had before: a name, and what tells why; asks nobody."""


class Health(msgspec.Struct, frozen=True):
    """How a function is."""

    status: str
    function: str


class Ready(msgspec.Struct, frozen=True):
    """A function that answers.

    Attributes:
        behind: what it goes on without, and why; some of its answers may be 503 for that.
    """

    status: str
    function: str
    behind: dict[str, str]


class Readiness:
    """What one function needs, looked at in a thread of its own, and what it goes on without.

    Args:
        telemetry: knows which of the things that all functions share do not answer.
    """

    def __init__(self, function: str, needs: Checks, behind: Behind, telemetry: Telemetry) -> None:
        self._function = function
        self._needs = needs
        self._behind = behind
        self._telemetry = telemetry
        self._lock = Lock()
        self._thread: Thread | None = None
        self._looked_at = -float("inf")
        self._lacking = dict.fromkeys(needs, "is being looked for")

    def look(self) -> None:
        """Begin to look, unless that is under way or was done a moment ago."""
        with self._lock:
            is_open = self._thread is not None and self._thread.is_alive()
            if self._needs and not is_open and time.monotonic() - self._looked_at >= EVERY:
                self._thread = Thread(target=self._look, name="matchcast-readiness", daemon=True)
                self._thread.start()

    async def told(self, scope: Scope) -> Ready | Response:
        """200, or 503 with what is missing; a look that goes on is waited for a little."""
        self.look()
        until = time.monotonic() + _WAIT
        while (thread := self._thread) is not None and thread.is_alive() and time.monotonic() < until:
            await asyncio.sleep(_TICK)
        lacking = self._lacking
        if lacking:
            errors = [{"field": what, "detail": f"{what}: {reason}"} for what, reason in lacking.items()]
            detail = "; ".join(error["detail"] for error in errors)
            return problem(scope, 503, detail, type_="not-ready", headers={"Retry-After": "1"}, errors=errors)
        told = {what: why() for what, why in self._behind.items()}
        behind = {what: why for what, why in told.items() if why is not None}
        away = {what: without_addresses(why) for what, why in (self._telemetry.away() | behind).items()}
        return Ready("ready", self._function, away)

    def _look(self) -> None:
        for what, check in self._needs.items():
            reason = _reason(check)
            before = self._lacking.get(what)
            if reason is not None and reason != before:
                _LOG.warning("going on without %s: %s", what, reason)
            others = {name: why for name, why in self._lacking.items() if name != what}
            self._lacking = others if reason is None else {**others, what: reason}
        self._looked_at = time.monotonic()


def _reason(check: Callable[[], object]) -> str | None:
    try:
        check()
    except MatchcastError as error:
        return str(error)
    except Exception:
        _LOG.exception("a look at what is needed failed in a way that nobody thought of")
        return "failed in a way that nobody thought of; the log has the details"
    return None
