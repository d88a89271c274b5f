"""Dead letters from both brokers; GET /monitoring/dead-letters, and replaying them."""

import os
from collections.abc import Callable, Mapping
from typing import Annotated, Final

from fastapi import Depends, FastAPI, Path, Query, Request

from functions.deadletter.replies import LetterReply, WholeLetterReply, letter_reply, whole_letter_reply
from matchcast.domain.event import Event
from matchcast.ports import ApiKeys, Clock, ObjectStore
from matchcast.ports.events import DeadLetters, Deadline, Sink, Tasks, Transaction
from matchcast.settings import DeadletterSettings, read_settings
from matchcast.telemetry import log_as_json
from matchcast.usecases.dead_letters import find_letter, keep_letter, list_letters, replay_letter
from matchcast.web.app import create_web_app
from matchcast.web.connections import Connections
from matchcast.web.events import ANY, Handler, take_events
from matchcast.web.keys import KeyGuard
from matchcast.web.problems import problem_data
from matchcast.web.replies import PageReply, next_path

SERVICE: Final = "deadletter"
REPLAY_SECONDS: Final = 1.0
"""For each of connecting, sending and answering: a letter and its task are held while it is replayed."""
LetterId = Annotated[str, Path(min_length=1, max_length=64)]


def build(
    *,
    letters: Callable[[], DeadLetters],
    tasks: Callable[[], Tasks],
    transaction: Transaction,
    sinks: Mapping[str, Callable[[], Sink]],
    objects: Callable[[], ObjectStore],
    keys: Callable[[], ApiKeys],
    now: Clock,
    seconds: float,
) -> FastAPI:
    """The application; everything it is given is opened on first use.

    Args:
        sinks: the brokers by name; letters of each come in at /from/{name}.
    """
    app = create_web_app(SERVICE)
    guard = Depends(KeyGuard(keys, "admin"))

    def keeping(broker: str) -> Handler:
        def keep(event: Event, deadline: Deadline) -> None:
            keep_letter(
                event, broker, letters=letters(), tasks=tasks(), transaction=transaction, now=now(),
                deadline=deadline, problem_of=problem_data,
            )  # fmt: skip

        return keep

    for broker in sinks:
        take_events(
            app, {ANY: keeping(broker)}, service=SERVICE, now=now, objects=objects, seconds=seconds,
            path=f"/from/{broker}", whole=False,
        )  # fmt: skip
    take_events(app, {}, service=SERVICE, now=now, objects=objects, seconds=seconds)

    @app.get("/monitoring/dead-letters", tags=["dead letters"], dependencies=[guard])
    def dead_letters(
        request: Request,
        open: Annotated[bool, Query(description="leave out those that were replayed and did not die again")] = False,
        cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before holds it")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> PageReply[LetterReply]:
        """The events that no try could deliver, in the order of their death."""
        page = list_letters(cursor, limit, letters(), open_only=open)
        return PageReply(items=[letter_reply(letter) for letter in page.items], next=next_path(request, page.next))

    @app.get("/monitoring/dead-letters/{letter_id}", tags=["dead letters"], dependencies=[guard])
    def dead_letter(letter_id: LetterId) -> WholeLetterReply:
        """One letter with its event."""
        return whole_letter_reply(find_letter(letter_id, letters()))

    @app.post(
        "/monitoring/dead-letters/{letter_id}/replay", tags=["dead letters"], dependencies=[guard], status_code=202
    )
    def replay(letter_id: LetterId) -> LetterReply:
        """Publish the letter's event again and open its task again; 409 if that is done already."""
        letter = replay_letter(
            letter_id, letters=letters(), tasks=tasks(), transaction=transaction, sinks=sinks, now=now()
        )
        return letter_reply(letter)

    return app


def app(environment: Mapping[str, str] = os.environ) -> FastAPI:  # uvicorn --factory functions.deadletter.main:app
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
        keys=to.keys,
        now=to.now,
        seconds=settings.handler_seconds,
    )
