"""A CloudEvent on its way through a broker: attributes as they came, data as bytes.

Structured events are read here and not by the SDK, which gives an event without `time` the moment of reading, and text
data quotes.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, NoReturn
from urllib.parse import quote, unquote

from matchcast.errors import BadInput

NO_TIME: Final = "0001-01-01T00:00:00Z"
"""What the real ingress writes where an event has no time; the subscriber gets the moment of delivery."""

Value = str | int | bool

LARGEST_NAME: Final = 128
"""Bytes; AMQP cuts off longer names of headers."""
LARGEST_SHORT: Final = 255
"""Bytes of the id and of the content type, which are short strings in AMQP."""
LARGEST_ATTRIBUTES: Final = 48 * 1024
"""Bytes of all of them as headers; a frame of AMQP and the headers of a request take somewhat more."""

_NAME: Final = re.compile(r"[a-z0-9]+")
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_SAFE: Final = "".join(map(chr, range(0x21, 0x7F))).translate({ord('"'): None, ord("%"): None})
"""What the HTTP binding lets stand in a header as it is."""
_JSON_TYPE: Final = re.compile(r"[^/;]+/([^/;]+\+)?json\s*(;.*)?", re.IGNORECASE)
_REQUIRED: Final = ("id", "source", "type")
_OPTIONAL: Final = ("subject", "dataschema")
_EVENT_TYPES: Final = b"application/cloudevents"
_STRUCTURED: Final = "application/cloudevents+json"

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
        name == b"ce-specversion" or (name == b"content-type" and value.lower().startswith(_EVENT_TYPES))
        for name, value in headers
    )


def read_message(headers: Headers, body: bytes) -> Message:
    """The event in a request or answer, in binary or structured mode; of headers given twice the first counts.

    Args:
        headers: names in lower case.
    Raises:
        BadInput: it is no valid CloudEvent 1.0, or larger than AMQP carries.
    """
    attributes: dict[str, Value] = {}
    content_type: str | None = None
    for name, value in headers:
        if name.startswith(b"ce-"):
            attributes.setdefault(name[3:].decode("latin-1"), unquote(_header_text(value)))
        elif name == b"content-type" and content_type is None:
            content_type = value.decode("latin-1")
    if content_type is not None and content_type.lower().startswith(_EVENT_TYPES.decode()):
        return _structured(content_type, body)
    attributes.pop("datacontenttype", None)
    return _checked(Message(attributes, content_type, body))


def _header_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _structured(content_type: str, body: bytes) -> Message:
    if content_type.partition(";")[0].strip().lower() != _STRUCTURED:
        raise BadInput(f"content-type: {content_type} is not taken; send one event at a time", "content-type")
    try:
        event = json.loads(body, parse_constant=_no_number)
        if not isinstance(event, dict):
            raise ValueError("it is no object")
        data_type = event.get("datacontenttype") or "application/json"
        if not isinstance(data_type, str):
            raise ValueError("datacontenttype is no text")
        data = _data(event, data_type)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"body: is no CloudEvent in structured mode ({error}); correct it", "body") from error
    no_attributes = ("data", "data_base64", "datacontenttype")
    attributes = {n: value for n, value in event.items() if value is not None and n not in no_attributes}
    return _checked(Message(attributes, data_type, data))


def _data(event: Mapping[str, Any], content_type: str) -> bytes:
    data, encoded = event.get("data"), event.get("data_base64")
    if encoded is not None:
        if data is not None or not isinstance(encoded, str):
            raise ValueError("data_base64 is no text, or beside data")
        return base64.b64decode(encoded, validate=True)
    if data is None:
        return b""
    if isinstance(data, str) and not _JSON_TYPE.fullmatch(content_type):
        return data.encode()
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _checked(message: Message) -> Message:
    attributes = {n: v for n, v in message.attributes.items() if v or n not in _OPTIONAL}
    if attributes.get("specversion") != "1.0":
        raise BadInput(f"specversion: is {attributes.get('specversion')}; send CloudEvents 1.0", "specversion")
    for name in _REQUIRED:
        if not isinstance(attributes.get(name), str) or not attributes[name]:
            raise BadInput(f"{name}: is missing or no text; an event needs it", name)
    for name, value in attributes.items():
        _check_attribute(name, value)
    attributes["time"] = _instant(attributes.get("time"))
    if len(str(attributes["id"]).encode()) > LARGEST_SHORT:
        raise BadInput(f"id: is longer than {LARGEST_SHORT} bytes; give a shorter one", "id")
    if len((message.content_type or "").encode()) > LARGEST_SHORT:
        raise BadInput(f"content-type: is longer than {LARGEST_SHORT} bytes; give a shorter one", "content-type")
    if sum(len(f"ce-{name}: {_text(value)}") for name, value in attributes.items()) > LARGEST_ATTRIBUTES:
        largest = max(attributes, key=lambda name: len(str(attributes[name])))
        words = f"attributes are larger than {LARGEST_ATTRIBUTES} bytes together; put more into the data"
        raise BadInput(f"{largest}: {words}", largest)
    return message._replace(attributes=attributes)


def _check_attribute(name: str, value: object) -> None:
    if not _NAME.fullmatch(name) or len(name) > LARGEST_NAME:
        words = f"is no name of an attribute; use up to {LARGEST_NAME} lower case letters and digits"
        raise BadInput(f"{name[:LARGEST_NAME]!r}: {words}", name[:LARGEST_NAME])
    if not isinstance(value, Value):
        raise BadInput(f"{name}: is neither text, whole number nor truth value; correct it", name)
    if isinstance(value, int) and not -(2**31) <= value < 2**31:
        raise BadInput(f"{name}: has more than 32 bits; give it as text", name)
    if isinstance(value, str) and not _is_unicode(value):
        raise BadInput(f"{name}: holds half of a surrogate pair; correct it", name)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _instant(told: Value | None) -> str:
    """In UTC, with as many digits of a second as it came with."""
    if told is None:
        return NO_TIME
    parts = _TIME.fullmatch(told) if isinstance(told, str) else None
    try:
        if parts is None:
            raise ValueError
        day, time, fraction, offset = parts.groups(default="")
        instant = datetime.fromisoformat(f"{day}T{time}{offset.upper()}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        words = f"time: {str(told)[:64]!r} is no RFC 3339 instant; give one such as 2025-03-01T09:00:00Z"
        raise BadInput(words, "time") from error
    return f"{instant.replace(tzinfo=None).isoformat()}{fraction}Z"


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
        event.update(_json_data(message.content_type or "", message.data))
    return json.dumps(event, ensure_ascii=False).encode()


def _json_data(content_type: str, data: bytes) -> dict[str, Any]:
    try:
        text = data.decode()
        return {"data": json.loads(text) if _JSON_TYPE.fullmatch(content_type) else text}
    except (ValueError, RecursionError):
        return {"data_base64": base64.b64encode(data).decode()}


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return quote(str(value), safe=_SAFE)
