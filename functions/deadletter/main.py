"""Dead letters from both brokers; GET /monitoring/dead-letters, replaying them, and GET /monitoring/queues."""

import os
from collections.abc import Callable, Mapping
from typing import Final

from functions.deadletter.asked import AskedLetter, AskedLetters
from functions.deadletter.replies import (
    LetterReply,
    QueuesReply,
    WholeLetterReply,
    letter_reply,
    queues_reply,
    whole_letter_reply,
)
from matchcast.domain.event import Event
from matchcast.ports import Clock, ObjectStore
from matchcast.ports.events import DeadLetters, Deadline, Sink, Tasks, Transaction
from matchcast.ports.metrics import Queues
from matchcast.settings import DeadletterSettings, read_settings
from matchcast.telemetry import Telemetry, log_as_json
from matchcast.usecases.dead_letters import TRIGGER, find_letter, keep_letter, list_letters, replay_letter
from matchcast.usecases.queues import queue_states
from matchcast.web.app import WebApp
from matchcast.web.connections import Connections
from matchcast.web.events import ANY, Handler, take_events
from matchcast.web.operations import Call, Terms
from matchcast.web.problems import problem_data
from matchcast.web.replies import PageReply, next_path

SERVICE: Final = "deadletter"
REPLAY_SECONDS: Final = 1.0
"""For each of connecting, sending and answering: a letter and its task are held while it is replayed."""


def build(
    *,
    letters: Callable[[], DeadLetters],
    tasks: Callable[[], Tasks],
    transaction: Transaction,
    sinks: Mapping[str, Callable[[], Sink]],
    objects: Callable[[], ObjectStore],
    terms: Terms,
    telemetry: Telemetry,
    now: Clock,
    seconds: float,
    queues: Callable[[], Queues] | None,
) -> WebApp:
    """The application; everything it is given is opened on first use.

    Args:
        sinks: the brokers by name; letters of each come in at /from/{name} and /from/{name}/{Trigger}.
        queues: opens the queues of Triggers; None if nobody tells of them.
    """
    web = WebApp(SERVICE, terms=terms, telemetry=telemetry)

    def keeping(broker: str) -> Handler:
        def keep(event: Event, deadline: Deadline) -> None:
            keep_letter(
                event, broker, letters=letters(), tasks=tasks(), transaction=transaction, now=now(),
                deadline=deadline, problem_of=problem_data,
            )  # fmt: skip

        return keep

    for broker in sinks:
        for path in (f"/from/{broker}", f"/from/{broker}/{{{TRIGGER}}}"):
            take_events(
                web, {ANY: keeping(broker)}, service=SERVICE, now=now, objects=objects, seconds=seconds, path=path,
                whole=False,
            )  # fmt: skip
    take_events(web, {}, service=SERVICE, now=now, objects=objects, seconds=seconds)

    @web.get("/monitoring/queues", tag="monitoring", gives=QueuesReply, scopes=("admin",))
    def trigger_queues(call: Call[None, None]) -> QueuesReply:
        """What waits for each Trigger, who takes it, and what could not be delivered."""
        return queues_reply(queue_states(queues, letters))

    @web.get(
        "/monitoring/dead-letters", tag="dead letters", asked=AskedLetters, gives=PageReply[LetterReply],
        scopes=("admin",),
    )  # fmt: skip
    def dead_letters(call: Call[AskedLetters, None]) -> PageReply[LetterReply]:
        """The events that no try could deliver, in the order of their death."""
        page = list_letters(call.asked.cursor, call.asked.limit, letters(), open_only=call.asked.open)
        return PageReply(items=[letter_reply(letter) for letter in page.items], next=next_path(call, page.next))

    @web.get(
        "/monitoring/dead-letters/{letter_id}", tag="dead letters", asked=AskedLetter, gives=WholeLetterReply,
        scopes=("admin",),
    )  # fmt: skip
    def dead_letter(call: Call[AskedLetter, None]) -> WholeLetterReply:
        """One letter with its event."""
        return whole_letter_reply(find_letter(call.asked.letter_id, letters()))

    @web.post(
        "/monitoring/dead-letters/{letter_id}/replay", tag="dead letters", asked=AskedLetter, gives=LetterReply,
        status=202, scopes=("admin",), idempotent=True, troubles=(410,),
    )  # fmt: skip
    def replay(call: Call[AskedLetter, None]) -> LetterReply:
        """Publish the letter's event again and open its task again; 409 if that is done already, 410 if the task is gone."""
        letter = replay_letter(
            call.asked.letter_id, letters=letters(), tasks=tasks(), transaction=transaction, sinks=sinks, now=now()
        )
        return letter_reply(letter)

    return web


def app(environment: Mapping[str, str] = os.environ) -> WebApp:  # uvicorn --factory functions.deadletter.main:app
    """The application as the environment says; opens nothing yet."""
    settings = read_settings(DeadletterSettings, environment)
    log_as_json(settings.log_level)
    to = Connections(settings)
    return build(
        letters=to.letters,
        tasks=to.tasks,
        transaction=to.transaction,
        sinks={
            "ingest": to.sink(settings.ingest_broker_url, seconds=REPLAY_SECONDS),
            "inference": to.sink(settings.inference_broker_url, seconds=REPLAY_SECONDS),
        },
        objects=lambda: to.objects,
        terms=to.terms,
        telemetry=to.telemetry(settings.queues_url),
        now=to.now,
        seconds=settings.handler_seconds,
        queues=None if settings.queues_url is None else to.queues(settings.queues_url),
    )
