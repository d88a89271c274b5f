"""Events as CloudEvents 1.0 over HTTP, by the `cloudevents` SDK."""

import base64
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, unquote

from cloudevents.conversion import to_binary
from cloudevents.exceptions import GenericException
from cloudevents.http import CloudEvent, from_http

from matchcast.domain.event import Event
from matchcast.errors import BadInput

_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_BINARY: Final = "ce-"
_SAFE: Final = "".join(map(chr, range(0x21, 0x7F))).translate({ord('"'): None, ord("%"): None})
"""What the HTTP binding lets stand in a header as it is."""
_OWN: Final = frozenset(("specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema"))


def read_event(headers: Mapping[str, str], body: bytes, *, any_data: bool = False) -> Event:
    """The event in a request or answer, in binary or structured mode.

    Args:
        any_data: take data that is no JSON as its text, or `{"data_base64": …}` where it is none.
    Returns:
        The event; one without `time`, which CloudEvents allow, has the moment it was read.
    Raises:
        BadInput: it is no CloudEvent 1.0, or its data is no JSON.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    lower |= {name: unquote(_header_text(value)) for name, value in lower.items() if name.startswith(_BINARY)}
    try:
        read = from_http(lower, body or None, data_unmarshaller=_any if any_data else _json)
    except (GenericException, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput(
            f"body: is no CloudEvent 1.0 ({error}); send one in binary or structured mode", "body"
        ) from error
    attributes = read.get_attributes()
    if attributes.get("specversion") != "1.0":
        raise BadInput(f"specversion: is {attributes.get('specversion')}; send CloudEvents 1.0", "specversion")
    for name in ("id", "source", "type"):
        if not isinstance(attributes.get(name), str) or not attributes[name]:
            raise BadInput(f"{name}: is empty or no text; an event needs it", name)
    for name in ("id", "source", "type", "subject"):
        if _FORBIDDEN.search(str(attributes.get(name))):
            raise BadInput(f"{name}: holds characters that CloudEvents forbid in attributes; leave them out", name)
    return Event(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        time=_instant(attributes.get("time")),
        data=read.get_data(),
        subject=attributes.get("subject"),
        extensions={name: str(value) for name, value in attributes.items() if name not in _OWN},
    )


def _header_text(value: str) -> str:
    """Of a header that was read as Latin-1; some SDKs send UTF-8 as it is."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def event_http(event: Event) -> tuple[dict[str, str], bytes]:
    """Headers and body of an event in binary mode."""
    headers, body = to_binary(_sdk_event(event), data_marshaller=_bytes)
    quoted = {name: quote(value, safe=_SAFE) for name, value in headers.items() if name.startswith(_BINARY)}
    return {**headers, **quoted}, body or b""


def _sdk_event(event: Event) -> CloudEvent:
    attributes = {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": event.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        **event.extensions,
    }
    if event.subject is not None:
        attributes["subject"] = event.subject
    return CloudEvent(attributes, event.data)


def json_of(content: bytes | str) -> Any:
    """A JSON value that any reader of JSON takes, so without the NaN and Infinity that Python's own would let pass.

    Raises:
        ValueError: it is none.
        RecursionError: it is nested too deeply.
    """
    return json.loads(content, parse_constant=_finite, parse_float=_finite)


def _finite(told: str) -> float:
    number = float(told)
    if not math.isfinite(number):
        raise ValueError(f"{told} is no number in JSON")
    return number


def _json(content: Any) -> Any:
    """Bytes of the body in binary mode; in structured mode the SDK gives the data as JSON text again."""
    return json_of(content) if content else None


def _any(content: Any) -> Any:
    try:
        return _json(content)
    except (ValueError, RecursionError):
        pass
    if isinstance(content, str):
        return content
    try:
        return bytes(content).decode()
    except UnicodeDecodeError:
        return {"data_base64": base64.b64encode(content).decode()}


def _bytes(data: Any) -> bytes:
    return b"" if data is None else json.dumps(data, separators=(",", ":")).encode()


def _instant(told: object) -> datetime:
    try:
        instant = datetime.fromisoformat(str(told))
    except ValueError as error:
        raise BadInput(
            f"time: {told!r} is no RFC 3339 instant; give one such as 2025-03-01T09:00:00Z", "time"
        ) from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
