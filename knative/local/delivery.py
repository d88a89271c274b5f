"""What happens to one event at one subscriber: tries, backoff, reply, dead letter. As the real dispatcher does it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from http import HTTPStatus
from typing import Final, NamedTuple

import aiohttp

from knative.local.messages import Message, claims_to_be_event, http_headers, read_message
from knative.local.objects import Delivery
from matchcast.errors import BadInput, Unavailable

LARGEST_REPLY: Final = 1024 * 1024
NO_ANSWER: Final = -1
DESTINATION: Final = "knativeerrordest"
"""Attribute of a dead letter: who did not take it."""
RETRIED: Final = frozenset({404, 408, 409, 429})
"""And every 5xx; another 4xx is taken as an answer, and the event is lost."""
LONGEST_TRY: Final = timedelta(minutes=10)
LONGEST_REASON: Final = 1000
"""Characters of why a reply was no event, in its dead letter."""
HANDED_ON: Final = 5
"""How often at least a reply or dead letter that the broker does not take is given to it again."""

_LOG: Final = logging.getLogger("matchcast.broker")


class Place(NamedTuple):
    """Where events go.

    Attributes:
        name: its address in the cluster, as dead letters tell it.
        url: its address here.
    """

    name: str
    url: str


class Policy(NamedTuple):
    """How often and how long a delivery is tried."""

    retries: int = 0
    linear: bool = False
    delay: float = 0.05
    timeout: float = LONGEST_TRY.total_seconds()

    @classmethod
    def of(cls, delivery: Delivery | None) -> "Policy":
        """No delivery at all means one try."""
        if delivery is None:
            return cls()
        return cls(
            delivery.retry,
            delivery.backoff_policy == "linear",
            delivery.backoff_delay.total_seconds(),
            (delivery.timeout or LONGEST_TRY).total_seconds(),
        )

    def pause(self, retry: int) -> float:
        """Seconds before the n-th retry, from 1."""
        return self.delay * (retry if self.linear else 2**retry)


@dataclass(frozen=True)
class Subscription:
    """A Trigger, resolved.

    Attributes:
        wanted: attributes an event must have.
        dead_letters: where events go that were tried in vain; None loses them.
        parallelism: how many events are delivered at a time.
    """

    name: str
    wanted: Mapping[str, str]
    subscriber: Place
    policy: Policy = field(default_factory=Policy)
    dead_letters: Place | None = None
    parallelism: int = 1


class Verdict(Enum):
    """What became of an event at a subscriber."""

    TAKEN = "taken"
    LOST = "lost"
    FAILED = "failed"


class Outcome(NamedTuple):
    """The end of a delivery.

    Attributes:
        code: the last status, -1 if there was no answer.
        reply: the event that the subscriber answered with.
        reason: why it failed, where the status does not say.
    """

    verdict: Verdict
    code: int
    reply: Message | None = None
    reason: str = ""


class GivenUp(Exception):
    """The runtime stops while an event waits for its next try."""


class Courier:
    """Delivers events over HTTP on connections that stay open.

    Args:
        now: stands for the time of events without one.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._session: aiohttp.ClientSession | None = None
        self.stopping: Final = asyncio.Event()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def deliver(self, message: Message, to: Place, policy: Policy) -> Outcome:
        """Try until the subscriber takes the event, refuses it for good, or the tries are used up.

        Raises:
            GivenUp: the runtime stops and another try would have to wait.
        """
        outcome = await self._attempt(message, to, policy)
        for retry in range(1, policy.retries + 1):
            if not _retried(outcome):
                break
            _LOG.info("%s to %s: %s, try %d follows", message.name, to.name, _words(outcome), retry + 1)
            await self.wait(policy.pause(retry))
            outcome = await self._attempt(message, to, policy)
        if outcome.verdict is Verdict.LOST:
            _LOG.warning("%s is lost: %s answered %d", message.name, to.name, outcome.code)
        return outcome

    async def wait(self, seconds: float) -> None:
        """
        Raises:
            GivenUp: the runtime stops.
        """
        try:
            async with asyncio.timeout(seconds):  # in Python 3.11 wait_for may swallow a cancellation
                await self.stopping.wait()
        except TimeoutError:
            return
        raise GivenUp

    async def _attempt(self, message: Message, to: Place, policy: Policy) -> Outcome:
        try:
            async with self._open_session().post(
                to.url,
                data=message.data,
                headers=http_headers(message, self._now()),
                timeout=aiohttp.ClientTimeout(total=policy.timeout),
                allow_redirects=False,
                skip_auto_headers=("User-Agent", "Content-Type"),
            ) as answer:
                body = await _read(answer)
                return _judged(answer, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Outcome(Verdict.FAILED, NO_ANSWER, reason=f"no answer ({type(error).__name__} {error})")

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session


def _retried(outcome: Outcome) -> bool:
    return outcome.verdict is Verdict.FAILED and (outcome.code == NO_ANSWER or outcome.code >= 400)


def _judged(answer: aiohttp.ClientResponse, body: bytes | None) -> Outcome:
    code = answer.status
    if code in RETRIED or code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Outcome(Verdict.FAILED, code)
    if not 200 <= code < 300:
        return Outcome(Verdict.LOST, code)
    if code == HTTPStatus.NO_CONTENT:
        return Outcome(Verdict.TAKEN, code)
    headers = [(name.lower(), value) for name, value in answer.raw_headers]
    if not claims_to_be_event(headers):
        return Outcome(Verdict.TAKEN, code)
    if body is None:
        return Outcome(Verdict.FAILED, code, reason=f"the reply is larger than {LARGEST_REPLY} bytes")
    try:
        return Outcome(Verdict.TAKEN, code, read_message(headers, body))
    except BadInput as error:
        return _malformed(code, error)


async def _read(answer: aiohttp.ClientResponse) -> bytes | None:
    """None if it is too large."""
    if (answer.content_length or 0) > LARGEST_REPLY:
        answer.close()
        return None
    if answer.content_length is not None:
        return await answer.read()
    parts, size = [], 0
    async for part in answer.content.iter_chunked(64 * 1024):
        size += len(part)
        if size > LARGEST_REPLY:
            answer.close()
            return None
        parts.append(part)
    return b"".join(parts)


def dead_letter(message: Message, to: Place, outcome: Outcome) -> Message:
    """The event as the dead-letter sink gets it."""
    more = {DESTINATION: to.name, "knativeerrorcode": str(outcome.code)}
    if outcome.code != NO_ANSWER and outcome.reason:
        more["knativeerrordata"] = outcome.reason[:LONGEST_REASON]
    return message.with_attributes(**more)


class Onward(NamedTuple):
    """Where what follows from a delivery goes."""

    publish: Callable[[Message], Awaitable[None]]
    bury: Callable[[Subscription, Message], Awaitable[None]]


async def dispatch(message: Message, to: Subscription, courier: Courier, onward: Onward) -> None:
    """Deliver an event to a subscription; it may be acknowledged when this returns.

    As the real dispatcher does it, an event that carries what only dead letters do is dropped.

    Raises:
        GivenUp: the runtime stops; the event is not done with.
        Unavailable: a reply or dead letter could not be handed on; the event is not done with.
    """
    if DESTINATION in message.attributes:
        _LOG.error("%s is lost: it carries %s, as a dead letter does", message.name, DESTINATION)
        return
    outcome = await _deliver(message, to.subscriber, to.policy, courier, onward)
    if outcome.verdict is Verdict.FAILED:
        if to.dead_letters is None:
            _LOG.error("%s is lost: %s failed (%s)", message.name, to.subscriber.name, _words(outcome))
            return
        _LOG.warning("%s is a dead letter: %s failed (%s)", message.name, to.subscriber.name, _words(outcome))
        letter = dead_letter(message, to.subscriber, outcome)
        await _hand_on(lambda dead: onward.bury(to, dead), letter, courier, to.policy)


async def dispatch_dead(message: Message, to: Subscription, courier: Courier, onward: Onward) -> None:
    """Deliver a dead letter; it may be acknowledged when this returns. One that fails too is lost.

    Raises:
        GivenUp, Unavailable: as `dispatch`.
    """
    assert to.dead_letters is not None
    outcome = await _deliver(message, to.dead_letters, to.policy, courier, onward)
    if outcome.verdict is Verdict.FAILED:
        _LOG.error("the dead letter %s is lost: %s failed (%s)", message.name, to.dead_letters.name, _words(outcome))


async def _deliver(message: Message, to: Place, policy: Policy, courier: Courier, onward: Onward) -> Outcome:
    outcome = await courier.deliver(message, to, policy)
    if outcome.reply is not None:
        try:
            await _hand_on(onward.publish, outcome.reply, courier, policy)
        except BadInput as error:
            return _malformed(outcome.code, error)
    return outcome


def _malformed(code: int, error: BadInput) -> Outcome:
    return Outcome(Verdict.FAILED, code, reason=f"the reply is no event: {error}")


async def _hand_on(
    publish: Callable[[Message], Awaitable[None]], message: Message, courier: Courier, policy: Policy
) -> None:
    """Publish, with pauses: an event that went back to its queue at once would be delivered again and again.

    Raises:
        BadInput: the broker can never take the event.
        GivenUp, Unavailable: as `dispatch`.
    """
    for retry in range(1, max(policy.retries, HANDED_ON) + 1):
        try:
            await publish(message)
        except Unavailable as error:
            _LOG.info("%s is handed on once more in a while: %s", message.name, error)
            await courier.wait(policy.pause(retry))
        else:
            return
    await publish(message)


def _words(outcome: Outcome) -> str:
    return outcome.reason or str(outcome.code)
