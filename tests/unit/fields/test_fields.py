"""Objects from outside are read field by field, and every fault is told."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from matchcast.errors import BadInput
from matchcast.fields import BadFields, Checked, Fault, Instant, Secret, read_fields


def _even(value: int) -> None:
    if value % 2:
        raise ValueError("is odd; give the next number")


class Inner(Struct, frozen=True, forbid_unknown_fields=True):
    """A part."""

    name: Annotated[str, Meta(min_length=1)]


class Example(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All sorts of fields."""

    number: Annotated[int, Meta(ge=0, lt=10)]
    kind: Literal["one", "two"] | None = None
    at: Instant | None = None
    day: Annotated[date | None, Meta(description="a day")] = msgspec.field(name="from", default=None)
    parts: tuple[Inner, ...] = ()
    switch: bool = False
    folder: Path | None = None
    secret: Secret | None = None
    even: Annotated[int | None, Checked(_even)] = None

    def __post_init__(self) -> None:
        if self.number == 7:
            raise BadInput("number: 7 is taken; give another", "number")


def faults(given: dict[str, object], *, texts: bool = False) -> tuple[Fault, ...]:
    with pytest.raises(BadFields) as caught:
        read_fields(Example, given, texts=texts)
    return caught.value.faults


def test_values_are_read_by_their_outside_names() -> None:
    read = read_fields(Example, {"number": 3, "from": "2025-01-02", "at": "2025-01-02T03:04:05Z", "kind": "two"})
    assert (read.number, read.day, read.at) == (3, date(2025, 1, 2), datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC))


def test_texts_are_read_as_numbers_and_switches_only_where_everything_is_text() -> None:
    assert read_fields(Example, {"number": "3", "switch": "true"}, texts=True).switch
    assert [fault.field for fault in faults({"number": "3", "switch": "true"})] == ["number", "switch"]


def test_every_fault_is_told_with_its_remedy() -> None:
    found = dict(faults({"kind": "three", "at": "2025-01-02T03:04:05", "odd": 1, "parts": [{"name": ""}, {}]}))
    assert found == {
        "number": "is missing; add it",
        "kind": "invalid enum value 'three'; give one of one, two",
        "at": "expected datetime with a timezone component; correct it",
        "parts[0].name": "expected string of length >= 1; correct it",
        "odd": "is no field of this; leave it out",
    }


@pytest.mark.parametrize(
    ("parts", "field"),
    [([{"name": "a"}, {}], "parts[1].name"), ([{"name": "a", "x": 1}], "parts[0].x"), ([3], "parts[0]")],
)
def test_a_fault_inside_a_part_is_told_by_its_path(parts: list[object], field: str) -> None:
    assert [fault.field for fault in faults({"number": 1, "parts": parts})] == [field]


def test_what_the_object_itself_refuses_is_a_fault_of_the_field_it_names() -> None:
    assert faults({"number": 7}) == (Fault("number", "7 is taken; give another"),)


def test_a_field_may_have_a_check_of_its_own() -> None:
    assert read_fields(Example, {"number": 1, "even": 2}).even == 2
    assert read_fields(Example, {"number": 1, "even": None}).even is None
    assert faults({"number": 11, "even": 3})[1:] == (Fault("even", "is odd; give the next number"),)


def test_a_secret_is_shown_to_nobody() -> None:
    read = read_fields(Example, {"number": "1", "secret": "hush", "folder": "/tmp"}, texts=True)
    assert read.secret == Secret("hush") and read.secret.reveal() == "hush"
    assert "hush" not in repr(read)
    assert read.folder == Path("/tmp")


def test_of_very_many_faults_some_are_told() -> None:
    assert len(faults({f"odd{n}": n for n in range(1000)})) == 50
