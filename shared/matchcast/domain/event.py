"""An event: a CloudEvent 1.0 as the use cases see it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

PREFIX: Final = "org.matchcast."
"""Every type of ours begins so."""
SOURCES: Final = "/matchcast/"
"""Every source of ours begins so; the Service's name follows."""
CLAIM: Final = "dataref"
"""Extension of an event whose data lies in the object store: the key (CloudEvents' claim check)."""
_NAMESPACE: Final = uuid.UUID("7f2ce0a6-2c3a-5d0e-9f0b-6d61746368ca")


@dataclass(frozen=True, slots=True)
class Event:
    """One occurrence, known by (source, id).

    Attributes:
        time: when it occurred; aware.
        data: the JSON value it carries; None for none.
        extensions: further attributes, names in lower case letters and digits.
    """

    id: str
    source: str
    type: str
    time: datetime
    data: Any = None
    subject: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)


def source_of(service: str) -> str:
    """The source of a Service's events."""
    return SOURCES + service


def derived_id(parent: Event, type_: str) -> str:
    """Id of the event of this type that follows from `parent`: a UUIDv5, so the same whenever it is made again."""
    return str(uuid.uuid5(_NAMESPACE, f"{parent.source}\n{parent.id}\n{type_}"))


def named_id(*parts: str) -> str:
    """A UUIDv5 of names that are unique together."""
    return str(uuid.uuid5(_NAMESPACE, "\n".join(parts)))
