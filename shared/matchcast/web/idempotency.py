"""Idempotency-Key: a POST sent again gets the answer of the first (draft-ietf-httpapi-idempotency-key-header)."""

import hashlib
import logging
from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from math import ceil
from typing import Any, Final

from anyio import CancelScope, to_thread
from starlette.responses import Response

from matchcast.adapters.clock import utc_now
from matchcast.errors import BadInput, MatchcastError, TimedOut, Unavailable
from matchcast.ports import ApiKey
from matchcast.ports.idempotency import Answered, Begun, IdempotentAnswers, InFlight, Mismatch
from matchcast.web.answers import Passing
from matchcast.web.problems import UnderWay, problem_of

KEY: Final = "idempotency-key"
LONGEST_KEY: Final = 255
REPLAYED: Final = "Idempotency-Replayed"
_LOG: Final = logging.getLogger("matchcast.web")
_KEPT: Final = ("content-type", "location", "retry-after")
_ASK_AGAIN: Final = 5
"""Seconds; what is under way may be answered any moment."""


class Idempotency:
    """Carries a request out once for each API key, route and Idempotency-Key.

    An answer below 500 is kept, unless it is passing; after that, and after a fault of ours, the request may be tried again.
    What took too long, or has no answer because its process died, counts as under way for twice the time that a request
    may take; Retry-After tells the one who waited too long when that is over.

    Args:
        answers: opens the store of answers, on first use.
        seconds: how long a request may take.
        kept_for: hours that answers are kept.
    """

    def __init__(self, answers: Callable[[], IdempotentAnswers], seconds: float = 30, kept_for: float = 24) -> None:
        self._answers = answers
        self._seconds = 2 * seconds
        self._kept_for = kept_for * 3600

    async def once(
        self,
        given: str,
        key: ApiKey,
        route: str,
        body: bytes,
        carry_out: Callable[[], Awaitable[Response]],
        scope: Any,
    ) -> Response:
        """The answer, of this time or the first.

        Raises:
            BadInput: the Idempotency-Key is no text of 1 to 255 printable characters, or came with another body.
            UnderWay: the same request is under way.
            TimedOut: it took too long; says when it may begin again.
            Unavailable: the answers cannot be read, so that it is not known whether this was done before.
        """
        if not 0 < len(given) <= LONGEST_KEY or not given.isascii() or not given.isprintable():
            raise BadInput(f"Idempotency-Key: give 1 to {LONGEST_KEY} printable ASCII characters", "Idempotency-Key")
        place, digest = (key.key_id, route, given), hashlib.sha256(body).hexdigest()
        answers = self._answers()

        def begin() -> Any:
            return answers.begin(*place, digest, utc_now(), self._seconds, self._kept_for)

        try:
            begun = await to_thread.run_sync(begin)
        except Unavailable as error:
            raise Unavailable(f"{error}; without Idempotency-Key the request may still be answered") from error
        if isinstance(begun, Answered):
            return Response(begun.body, begun.status, {**begun.headers, REPLAYED: "true"})
        if isinstance(begun, Mismatch):
            raise BadInput(
                "Idempotency-Key: was sent with another body before; use a new key for it", "Idempotency-Key"
            )
        if isinstance(begun, InFlight):
            raise UnderWay("Idempotency-Key: a request with it is under way; wait for its answer", _ASK_AGAIN)
        try:
            response = await carry_out()
        except CancelledError:
            raise  # it may still be done: the claim stands for its time
        except TimedOut as error:
            left = self._seconds - (utc_now() - begun.at).total_seconds()
            raise TimedOut(str(error), max(1, ceil(left))) from error
        except MatchcastError as error:
            response = problem_of(scope, error)
        except Exception:
            await self._ended(answers, place, begun, None)
            raise
        await self._ended(answers, place, begun, response)
        return response

    async def _ended(
        self, answers: IdempotentAnswers, place: tuple[str, str, str], begun: Begun, response: Response | None
    ) -> None:
        with CancelScope(shield=True):
            await to_thread.run_sync(self._end, answers, place, begun, response)

    def _end(
        self, answers: IdempotentAnswers, place: tuple[str, str, str], begun: Begun, response: Response | None
    ) -> None:
        try:
            if response is None or response.status_code >= 500 or isinstance(response, Passing):
                answers.abandon(*place, begun)
            else:
                kept = {name: response.headers[name] for name in _KEPT if name in response.headers}
                answers.finish(*place, begun, response.status_code, kept, bytes(response.body))
        except Unavailable as error:
            _LOG.warning("an answer was not kept for its Idempotency-Key: %s", error)
