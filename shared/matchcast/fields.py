"""Objects from outside (bodies, queries, events, the environment), read field by field so that every fault is told."""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta

from matchcast.errors import BadInput

S = TypeVar("S", bound=msgspec.Struct)

Instant = Annotated[dt.datetime, Meta(tz=True)]
"""An instant with a time zone (RFC 3339)."""
Share = Annotated[float, Meta(ge=0, le=1)]
MatchId = Annotated[int, Meta(ge=0, lt=2**53)]
Plain = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]*(?![\s\S])")]
"""Without control characters: PostgreSQL's texts hold no NUL, and no name or id of ours holds any."""
Name = Annotated[Plain, Meta(min_length=1, max_length=200)]
Id = Annotated[Plain, Meta(min_length=1, max_length=128)]
_SHOWN: Final = 40
_MOST_FAULTS: Final = 50
_QUOTED: Final = re.compile(r"`([\w |]+)`")
_JSON_NAMES: Final = {"int": "integer", "str": "string", "float": "number", "bool": "boolean"}


class Checked(NamedTuple):
    """In a field's annotation, beside Meta: what else its value must be, if there is one.

    Attributes:
        check: takes the value; refuses it by a ValueError that says what is wrong, and does not quote it where it may
            be secret.
    """

    check: Callable[[Any], None]


class Fault(NamedTuple):
    """What is wrong with a field, and the remedy."""

    field: str
    detail: str


class BadFields(BadInput):
    """An object is not as it should be.

    Attributes:
        faults: all that was found.
    """

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.detail}" for fault in faults), faults[0].field)
        self.faults = faults


class Secret:
    """A text that no message and no log shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(…)"


def read_fields(kind: type[S], given: Mapping[str, Any], *, texts: bool = False) -> S:
    """An object of this kind; what its `__post_init__` refuses (by a BadInput or ValueError) is a fault like any other.

    Args:
        given: by the names that the outside uses.
        texts: all values are texts, as in queries and the environment: numbers and switches are read from them.
    Raises:
        BadFields: with every field that is missing, unknown or wrong, up to 50.
    """
    faults, values = [], {}
    known = _fields_of(kind)
    for field in known:
        name = field.encode_name
        if name not in given:
            if field.required:
                faults.append(Fault(name, "is missing; add it"))
            continue
        try:
            values[field.name] = convert(given[name], field.type, texts=texts)
            _check(values[field.name], field.type)
            if texts and values[field.name] is None:
                raise ValueError("is null; leave it out")
        except msgspec.ValidationError as error:
            faults.append(_fault(name, str(error), field.type))
        except ValueError as error:
            faults.append(Fault(name, str(error)))
    if kind.__struct_config__.forbid_unknown_fields:
        names = {field.encode_name for field in known}
        faults += [
            Fault(str(name)[:_SHOWN], "is no field of this; leave it out") for name in given if name not in names
        ]
    if faults:
        raise BadFields(tuple(faults[:_MOST_FAULTS]))
    try:
        return kind(**values)
    except BadFields:
        raise
    except BadInput as error:
        raise BadFields((_told(error.field or "body", str(error)),)) from error
    except ValueError as error:
        raise BadFields((_told("body", str(error)),)) from error


@cache
def _fields_of(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def convert(value: Any, kind: Any, *, texts: bool = False) -> Any:
    """A value of this type.

    Raises:
        msgspec.ValidationError: it is none.
    """
    return msgspec.convert(value, kind, strict=not texts, dec_hook=_special)


def _check(value: Any, kind: Any) -> None:
    for checked in getattr(kind, "__metadata__", ()):
        if isinstance(checked, Checked) and value is not None:
            checked.check(value)


def _special(kind: type, value: Any) -> Any:
    if kind is Path or kind is Secret:
        if isinstance(value, str) and value:
            return kind(value)
        raise ValueError("give a text")
    raise NotImplementedError(f"nothing reads {kind.__name__}")


def _told(field: str, message: str) -> Fault:
    """A message may begin with its field."""
    begun, colon, rest = message.partition(": ")
    return Fault(begun, rest) if colon and begun.isidentifier() else Fault(field, message)


def _fault(name: str, message: str, kind: Any) -> Fault:
    said, _, path = message.partition(" - at `$")
    where = path.rstrip("`").lstrip(".")
    field = f"{name}{'' if where.startswith('[') or not where else '.'}{where}"
    if said.startswith("Invalid enum value"):
        return Fault(
            field, f"{_lower(said)}; give one of {', '.join(_choices(kind)) or 'those that the document lists'}"
        )
    if said.startswith("Object missing required field"):
        return Fault(f"{field}.{said.split('`')[1]}", "is missing; add it")
    if said.startswith("Object contains unknown field"):
        return Fault(f"{field}.{said.split('`')[1]}", "is no field of this; leave it out")
    if "matching regex" in said:
        return Fault(field, "holds characters that it may not; leave out control characters")
    if said.startswith("Expected"):
        return Fault(field, f"{_lower(_QUOTED.sub(_in_json, said))}; correct it")
    return Fault(field, f"{_lower(said)}; correct it")


def _in_json(quoted: re.Match[str]) -> str:
    return " or ".join(_JSON_NAMES.get(name, name) for name in quoted[1].split(" | "))


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _choices(kind: Any) -> Iterator[str]:
    if get_origin(kind) is Literal:
        yield from (str(value) for value in get_args(kind))
    elif isinstance(kind, type) and issubclass(kind, Enum):
        yield from (str(member.value) for member in kind)
    else:
        for part in get_args(kind):
            if part is not NoneType and not isinstance(part, Meta):
                yield from _choices(part)
