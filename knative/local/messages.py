"""A CloudEvent on its way through a broker: attributes as they came, data as bytes."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from cloudevents.conversion import to_binary
from cloudevents.exceptions import GenericException
from cloudevents.http import from_http

from matchcast.errors import BadInput

NO_TIME: Final = "0001-01-01T00:00:00Z"
"""What the real ingress writes where an event has no time; the subscriber gets the moment of delivery."""

Value = str | int | bool

_NAME: Final = re.compile(r"[a-z0-9]+")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_NO_TEXT: Final = re.compile(r"[^\x20-\x7e]")
_REQUIRED: Final = ("id", "source", "type")
_EVENT_TYPES: Final = b"application/cloudevents"

Headers = Iterable[tuple[bytes, bytes]]


class Message(NamedTuple):
    """An event.

    Attributes:
        attributes: all but datacontenttype, by name; structured mode allows numbers and truth values in extensions.
        content_type: of `data`; None for none.
    """

    attributes: Mapping[str, Value]
    content_type: str | None
    data: bytes

    def with_attributes(self, **more: Value) -> "Message":
        return self._replace(attributes={**self.attributes, **more})

    def matches(self, wanted: Mapping[str, str]) -> bool:
        """Whether every wanted attribute is there with exactly this text."""
        return all(self.attributes.get(name) == value for name, value in wanted.items())

    @property
    def name(self) -> str:
        """For the log."""
        return f"{self.attributes['type']} {self.attributes['id']}"


def claims_to_be_event(headers: Headers) -> bool:
    """Whether an answer says that it is an event, a good one or not."""
    return any(
        name == b"ce-specversion" or (name == b"content-type" and value.startswith(_EVENT_TYPES))
        for name, value in headers
    )


def read_message(headers: Headers, body: bytes) -> Message:
    """The event in a request or answer, in binary or structured mode.

    Args:
        headers: names in lower case.
    Raises:
        BadInput: it is no valid CloudEvent 1.0.
    """
    attributes: dict[str, Value] = {}
    content_type: str | None = None
    for name, value in headers:
        if name.startswith(b"ce-"):
            attributes[name[3:].decode("latin-1")] = value.decode("latin-1")
        elif name == b"content-type":
            content_type = value.decode("latin-1")
    if content_type is not None and content_type.startswith(_EVENT_TYPES.decode()):
        return _structured(content_type, body)
    attributes.pop("datacontenttype", None)
    return _checked(Message(attributes, content_type, body))


def _structured(content_type: str, body: bytes) -> Message:
    if not content_type.startswith("application/cloudevents+json"):
        raise BadInput(f"content-type: {content_type} is not taken; send one event at a time", "content-type")
    try:
        event = from_http({"content-type": content_type}, body)
        _, data = to_binary(event)
    except (GenericException, ValueError, TypeError, AttributeError) as error:
        raise BadInput(f"body: is no CloudEvent in structured mode ({error}); correct it", "body") from error
    attributes = {name: value for name, value in event.get_attributes().items() if value is not None}
    data_type = attributes.pop("datacontenttype", "application/json")
    return _checked(Message(attributes, str(data_type), data or b""))


def _checked(message: Message) -> Message:
    attributes = message.attributes
    if attributes.get("specversion") != "1.0":
        raise BadInput(f"specversion: is {attributes.get('specversion')}; send CloudEvents 1.0", "specversion")
    for name in _REQUIRED:
        if not isinstance(attributes.get(name), str) or not attributes[name]:
            raise BadInput(f"{name}: is missing or no text; an event needs it", name)
    for name, value in attributes.items():
        if not _NAME.fullmatch(name):
            raise BadInput(f"{name}: is no name of an attribute; use lower case letters and digits", name)
        if not isinstance(value, Value):
            raise BadInput(f"{name}: is neither text, number nor truth value; correct it", name)
    time = attributes.get("time")
    if time is None:
        return message.with_attributes(time=NO_TIME)
    if not (isinstance(time, str) and _TIME.fullmatch(time)):
        raise BadInput(f"time: {time!r} is no RFC 3339 instant; give one such as 2025-03-01T09:00:00Z", "time")
    return message


def http_headers(message: Message, now: datetime) -> dict[str, str]:
    """The headers of the event in binary mode.

    Args:
        now: stands for a time that is missing.
    """
    headers = {f"ce-{name}": _text(value) for name, value in message.attributes.items()}
    if headers.get("ce-time") == NO_TIME:
        headers["ce-time"] = now.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if message.content_type:
        headers["content-type"] = message.content_type
    return headers


def structured_json(message: Message) -> bytes:
    """The event as JSON."""
    event: dict[str, Any] = dict(message.attributes)
    if message.content_type:
        event["datacontenttype"] = message.content_type
    if message.data:
        event["data"] = json.loads(message.data)
    return json.dumps(event, ensure_ascii=False).encode()


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return quote(text, safe=" !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") if _NO_TEXT.search(text) else text
