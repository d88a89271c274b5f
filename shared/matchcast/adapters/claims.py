"""Large data of events: it goes to the object store, and the event carries the key (CloudEvents' claim check)."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from matchcast.adapters.cloudevents import json_of
from matchcast.domain.event import CLAIM, Event
from matchcast.errors import BadInput, NotFound
from matchcast.events import LARGEST_DATA
from matchcast.ports import ObjectStore

FOLDER: Final = "events/"
LARGEST_CLAIM: Final = 32 * 1024 * 1024
"""Bytes of an object that an event may refer to."""


def lightened(event: Event, objects: Callable[[], ObjectStore]) -> Event:
    """The event as it travels: data above 256 KiB is put into the object store first.

    Args:
        objects: opens the store, where it is needed.
    Raises:
        Unavailable: the store refused.
    """
    if event.data is None or CLAIM in event.extensions:
        return event
    content = json.dumps(event.data, separators=(",", ":")).encode()
    if len(content) <= LARGEST_DATA:
        return event
    key = f"{FOLDER}{event.id}.json"
    objects().put(key, content)
    return replace(event, data=None, extensions={**event.extensions, CLAIM: key})


def completed(event: Event, objects: Callable[[], ObjectStore]) -> Event:
    """The event with its data, fetched if it was left in the object store.

    Args:
        objects: opens the store, where it is needed.
    Raises:
        BadInput: what it refers to is not there, too large, or no JSON.
        Unavailable: the store is away.
    """
    key = event.extensions.get(CLAIM)
    if key is None:
        return event
    if not key.startswith(FOLDER):
        raise BadInput(f"{CLAIM}: {key} is not below {FOLDER}; events refer to nothing else", CLAIM)
    store = objects()
    try:
        data = json_of(store.get(key, largest=LARGEST_CLAIM))
    except NotFound as error:
        raise BadInput(f"{CLAIM}: there is no object {key}; send the event again with its data", CLAIM) from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{CLAIM}: {key} is no JSON ({error}); send the event again with its data", CLAIM) from error
    rest = {name: value for name, value in event.extensions.items() if name != CLAIM}
    return replace(event, data=data, extensions=rest)
