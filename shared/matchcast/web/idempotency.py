"""Idempotency-Key: a POST sent again gets the answer of the first (draft-ietf-httpapi-idempotency-key-header)."""

import hashlib
import logging
from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from typing import Any, Final

from anyio import CancelScope, to_thread
from starlette.responses import Response

from matchcast.adapters.clock import utc_now
from matchcast.errors import BadInput, Conflict, MatchcastError, TimedOut, Unavailable
from matchcast.ports import ApiKey
from matchcast.ports.idempotency import Answered, Begun, IdempotentAnswers, InFlight, Mismatch
from matchcast.web.problems import problem_of

KEY: Final = "idempotency-key"
LONGEST_KEY: Final = 255
REPLAYED: Final = "Idempotency-Replayed"
_LOG: Final = logging.getLogger("matchcast.web")
_KEPT: Final = ("content-type", "location", "retry-after")


class Idempotency:
    """Carries a request out once for each API key, route and Idempotency-Key.

    An answer below 500 is kept; after a fault of ours the request may be tried again. What took too long, or has no
    answer because its process died, counts as under way for twice the time that a request may take.

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
            Conflict: the same request is under way.
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
            raise Conflict("Idempotency-Key: a request with it is under way; wait for its answer")
        try:
            response = await carry_out()
        except (TimedOut, CancelledError):
            raise  # it may still be done: the claim stands for its time
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
            if response is None or response.status_code >= 500:
                answers.abandon(*place, begun)
            else:
                kept = {name: response.headers[name] for name in _KEPT if name in response.headers}
                answers.finish(*place, begun, response.status_code, kept, bytes(response.body))
        except Unavailable as error:
            _LOG.warning("an answer was not kept for its Idempotency-Key: %s", error)
