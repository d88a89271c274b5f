"""Events that no try could deliver: kept, listed, replayed."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

from matchcast.domain.event import Event, named_id, source_of
from matchcast.errors import BadInput, Conflict, MatchcastError, NotFound, TaskExpired, TimedOut, Unavailable
from matchcast.events import PING, PredictionRequested, Problem, ScrapeRequested
from matchcast.ports.events import DeadLetter, DeadLetters, Deadline, Sink, Task, Tasks, Transaction
from matchcast.usecases.asking import task_named_by
from matchcast.usecases.scrape_due import task_of_ping

ProblemOf = Callable[[MatchcastError], Problem]
_DESTINATION: Final = "knativeerrordest"
_CODE: Final = "knativeerrorcode"
_DATA: Final = "knativeerrordata"
TRIGGER: Final = "knativetrigger"
"""Extension that names whose delivery failed: of the path of the dead-letter sink, as no broker tells it."""
REPLAY: Final = "replay"
"""Extension of an event that is replayed: the letter's id and how often it has died."""
_ADDED: Final = frozenset((_DESTINATION, _CODE, _DATA, TRIGGER, REPLAY))
_LONGEST_REASON: Final = 500
_LONGEST_DESTINATION: Final = 1000
_LONGEST_TRIGGER: Final = 253
"""As Kubernetes has it."""
_GATEWAY_TIMEOUT: Final = 504


class LetterPage(NamedTuple):
    """Some letters in the order of their death, and the cursor to those after them; None at the end."""

    items: tuple[DeadLetter, ...]
    next: str | None


def keep_letter(
    event: Event,
    broker: str,
    *,
    letters: DeadLetters,
    tasks: Tasks,
    transaction: Transaction,
    now: datetime,
    deadline: Deadline,
    problem_of: ProblemOf,
) -> None:
    """Keep an event that died at this broker, and fail the task it was for, both or none.

    Each death counts once, however often and late it is told: a copy that was replayed tells after how many deaths it
    was, so a broker that tells of an older one again changes nothing.

    Args:
        event: as the broker delivers it to a dead-letter sink, with its own extensions; `knativetrigger` among them is the
            Trigger whose delivery failed.
    Raises:
        TimedOut: nothing was written.
    """
    told = event.extensions
    destination = _printable(told.get(_DESTINATION, ""), _LONGEST_DESTINATION)
    letter_id = named_id(broker, event.source, event.id, destination)
    letter = DeadLetter(
        letter_id=letter_id,
        broker=broker,
        event=replace(event, extensions={name: text for name, text in told.items() if name not in _ADDED}),
        destination=destination,
        code=_code(told.get(_CODE)),
        reason=_printable(told.get(_DATA, ""), _LONGEST_REASON),
        died_at=now,
        deaths=1 + _deaths_before(told.get(REPLAY, ""), letter_id),
        replayed_at=None,
        trigger=_printable(told.get(TRIGGER, ""), _LONGEST_TRIGGER) or None,
    )
    task_id = task_of(event)
    with transaction():
        if letters.add(letter) and task_id is not None:
            problem = problem_of(_given_up(letter, tasks.find(task_id)))
            tasks.finish(task_id, now, problem=problem.to_json())
        deadline.check()


def find_letter(letter_id: str, letters: DeadLetters) -> DeadLetter:
    """The letter with this id.

    Raises:
        NotFound: there is none.
    """
    found = letters.find(letter_id) if letter_id.isprintable() else None
    if found is None:
        raise NotFound(f"letter_id: {letter_id[:64]!r} is no dead letter; GET /monitoring/dead-letters lists them")
    return found


def list_letters(cursor: str | None, limit: int, letters: DeadLetters, *, open_only: bool) -> LetterPage:
    """A page of letters.

    Raises:
        BadInput: the cursor is not one of ours.
    """
    found = letters.page(_read_cursor(cursor), limit + 1, open_only=open_only)
    items = tuple(found[:limit])
    more = len(found) > limit
    return LetterPage(items, _cursor_after(items[-1].died_at, items[-1].letter_id) if more else None)


def replay_letter(
    letter_id: str,
    *,
    letters: DeadLetters,
    tasks: Tasks,
    transaction: Transaction,
    sinks: Mapping[str, Callable[[], Sink]],
    now: datetime,
) -> DeadLetter:
    """Publish a letter's event again where it died, and open its task again.

    The broker takes the event inside the transaction: refused, nothing has changed; and whoever handles the event, or
    finds it dead once more, waits for the transaction and sees the task open and the letter replayed. Killed in
    between, the letter stays open, its task failed, and the event finds nothing to do. Letter and task are held
    meanwhile.

    Args:
        sinks: opens the brokers, by name; they must not take long to refuse.
    Raises:
        NotFound: there is no such letter.
        Conflict: it was replayed and did not die since.
        TaskExpired: the event's task is gone, without which nothing would come of it; the letter stays open.
        Unavailable: the broker did not take the event.
    """
    letter = find_letter(letter_id, letters)
    with transaction():
        if not letters.mark_replayed(letter_id, now):
            raise Conflict(f"letter_id: {letter_id} was replayed and has not died since; there is nothing to replay")
        task_id = task_of(letter.event)
        if task_id is not None and not tasks.reopen(task_id, now):
            _check_task(letter.event, task_id, tasks)
        sinks[letter.broker]().publish(_replayed(letter))
    return letter._replace(replayed_at=now)


def task_of(event: Event) -> str | None:
    """The task that an event is for."""
    if event.type == PING:
        return task_of_ping(event)
    return task_named_by(event) if event.type in (PredictionRequested.type(), ScrapeRequested.type()) else None


def _check_task(event: Event, task_id: str, tasks: Tasks) -> None:
    """That there is the task, unless whoever handles the event makes it."""
    accepted = event.type == PredictionRequested.type() or event.source == source_of("scrape")
    if accepted and tasks.find(task_id) is None:
        raise TaskExpired(
            f"letter_id: there is no task {task_id} any more, and nothing would come of the event; ask for its work anew"
        )


def _replayed(letter: DeadLetter) -> Event:
    extensions = {**letter.event.extensions, REPLAY: f"{letter.letter_id}.{letter.deaths}"}
    return replace(letter.event, extensions=extensions)


def _deaths_before(replay: str, letter_id: str) -> int:
    """How often the letter had died when this copy of its event was published."""
    of, _, number = replay.partition(".")
    return int(number) if of == letter_id and re.fullmatch("[1-9][0-9]{0,8}", number) else 0


def _given_up(letter: DeadLetter, task: Task | None) -> Unavailable:
    """What the task of a letter failed of; why its last try did not succeed, where that is kept with the task."""
    last = f"the last answer was {letter.code}"
    if letter.code in (None, -1):
        last = "there was no answer"
    elif letter.code in range(200, 300):
        last = "its answer could not be published"
    if task is not None and task.problem is not None:
        last = f"the last one ended with: {task.problem['detail']}"
    message = (
        f"the event {letter.event.id} could not be handled after all tries, {last}; "
        f"POST /monitoring/dead-letters/{letter.letter_id}/replay tries again"
    )
    return TimedOut(message) if letter.code == _GATEWAY_TIMEOUT else Unavailable(message)


def _code(told: str | None) -> int | None:
    try:
        code = int(told or "")
    except ValueError:
        return None
    return code if -1 <= code <= 999 else None


def _printable(text: str, longest: int) -> str:
    return "".join(character if character.isprintable() else " " for character in text[:longest])


def _cursor_after(died_at: datetime, letter_id: str) -> str:
    position = f"{died_at.astimezone(UTC).isoformat()} {letter_id}"
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def _read_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        at, _, letter_id = text.partition(" ")
        died_at = datetime.fromisoformat(at).astimezone(UTC)
        if not letter_id or not letter_id.isprintable() or _cursor_after(died_at, letter_id) != cursor:
            raise ValueError("not a position")
    except (binascii.Error, ValueError, OverflowError) as error:
        raise BadInput("cursor: this is no cursor of ours; start again without one", "cursor") from error
    return died_at, letter_id
