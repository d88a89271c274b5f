"""What events carry, and the schemas that say so."""

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from knative.schemas import FOLDER, schema_files
from matchcast.domain.event import PREFIX, Event, derived_id, named_id
from matchcast.errors import BadInput
from matchcast.events import (
    PAYLOADS,
    EventRejected,
    ModelPromoted,
    ModelRejected,
    Part,
    PredictionRequested,
    RollingScores,
    ScrapeRequested,
    first_event,
    next_event,
    payload_of,
)
from matchcast.fields import read_fields
from tests.unit.events.examples import EXAMPLES

NOW = datetime(2025, 3, 1, 9, tzinfo=UTC)


def event_of(name: str, data: Any) -> Event:
    return Event("1", "/matchcast/tests", PREFIX + name, NOW, data)


def schema(name: str) -> Draft202012Validator:
    written = json.loads((FOLDER / f"{name}.json").read_text())
    Draft202012Validator.check_schema(written)
    return Draft202012Validator(written, format_checker=FormatChecker())


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from paths(part, (*at, key))


def changed(value: dict[str, Any], path: tuple[Any, ...], new: Any, *, drop: bool = False) -> Any:
    if not path:
        return new
    result = copy.deepcopy(value)
    place: Any = result
    for key in path[:-1]:
        place = place[key]
    if drop:
        del place[path[-1]]
    else:
        place[path[-1]] = new
    return result


def is_taken(name: str, data: Any) -> bool:
    try:
        payload_of(event_of(name, data), PAYLOADS[PREFIX + name])
    except BadInput as error:
        assert error.field
        assert error.field.startswith("data")
        return False
    return True


def test_the_published_schemas_are_those_of_the_code() -> None:
    """`python -m knative.schemas` writes them anew."""
    assert {file.name: file.read_text() for file in FOLDER.glob("*.json")} == schema_files()


def test_every_type_has_an_example_here() -> None:
    assert {PREFIX + name for name in EXAMPLES} == set(PAYLOADS)


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_read_is_written_as_it_was_and_keeps_the_schema(name: str) -> None:
    kind = PAYLOADS[PREFIX + name]
    payload = payload_of(event_of(name, EXAMPLES[name]), kind)
    assert payload.to_json() == EXAMPLES[name]
    schema(name).validate(payload.to_json())


@pytest.mark.parametrize("name", EXAMPLES)
def test_producers_and_consumers_agree_with_the_schema_on_whatever_is_missing_or_unknown(name: str) -> None:
    for path in paths(EXAMPLES[name]):
        whole = EXAMPLES[name]
        wrong = changed(whole, path, None, drop=True) if path and isinstance(path[-1], str) else {"unknown": 1}
        assert is_taken(name, wrong) is schema(name).is_valid(wrong), path
    assert not is_taken(name, EXAMPLES[name] | {"unknown": 1})
    assert not schema(name).is_valid(EXAMPLES[name] | {"unknown": 1})


@given(
    name=st.sampled_from(sorted(EXAMPLES)),
    new=st.sampled_from((None, "", "a", "1", "true", -1, 0, 1, 2, 0.5, True, [], [None], {})),
    data=st.data(),
)
def test_a_value_of_another_kind_is_refused_by_both_or_taken_by_both(name: str, new: Any, data: st.DataObject) -> None:
    """Instants and days apart: a schema's format says less than a calendar."""
    path = data.draw(st.sampled_from(sorted(paths(EXAMPLES[name]), key=str)))
    if path and path[-1] in ("from", "to", "kickoff_at", "as_of", "promoted_at"):
        return
    wrong = changed(EXAMPLES[name], path, new)
    assert is_taken(name, wrong) is schema(name).is_valid(wrong)


@pytest.mark.parametrize("task_id", ["a\0b", "a\nb", "\x7f", "\0"])
def test_ids_hold_no_control_characters(task_id: str) -> None:
    """No database of ours could look for one with a NUL."""
    for name in ("scrape.requested", "prediction.requested"):
        data = EXAMPLES[name] | {"task_id": task_id}
        assert not schema(name).is_valid(data)
        with pytest.raises(BadInput, match=r"data\.task_id"):
            payload_of(event_of(name, data), PAYLOADS[PREFIX + name])


def test_an_id_ends_without_a_line_feed_and_no_text_holds_half_a_character() -> None:
    """Neither could be written to a database or sent on."""
    for wrong in ("a\n", "a\ud800"):
        assert not is_taken("scrape.requested", EXAMPLES["scrape.requested"] | {"task_id": wrong})
    deep = changed(EXAMPLES["prediction.requested"], ("fixture", "home_team"), "\udfffb")
    with pytest.raises(BadInput, match="half a character"):
        payload_of(event_of("prediction.requested", deep), PredictionRequested)


@pytest.mark.parametrize("data", [None, [], "text", 1])
def test_data_that_is_no_object_is_refused(data: Any) -> None:
    assert not is_taken("scrape.requested", data)


def test_every_fault_of_an_event_is_told_by_its_path() -> None:
    fixture = {"home_team": "", "away_team": "b", "tournament": "c", "kickoff_at": "2025-03-01"}
    with pytest.raises(BadInput) as caught:
        payload_of(event_of("prediction.requested", {"fixture": fixture, "odd": 1}), PredictionRequested)
    assert caught.value.field == "data.task_id"
    for path in ("data.task_id: is missing", "data.fixture.home_team: expected", "data.odd: is no field of this"):
        assert path in str(caught.value)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (ModelRejected(reason=""), "length >= 1"),
        (ModelRejected(reason="\ud800"), "surrogates"),
        (ModelPromoted(version="1", run_id="1", promoted_at=NOW.replace(tzinfo=None), reason="no zone"), "timezone"),
        (
            RollingScores(days=7, matches=1, log_loss=float("nan"), rps=0.2, brier=0.6),
            "log_loss",
        ),
    ],
)
def test_what_is_not_as_its_schema_says_is_never_sent(payload: Part, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        payload.to_json()


def test_an_event_is_not_made_of_what_is_not_as_its_schema_says() -> None:
    payload = ModelRejected(reason="")
    with pytest.raises(ValueError, match="length >= 1"):
        first_event(payload, id="1", service="tests", now=NOW)


def test_a_window_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(BadInput, match="to: 2025-02-01 is before from, 2025-03-01"):
        payload_of(event_of("scrape.requested", EXAMPLES["scrape.requested"] | {"to": "2025-02-01"}), ScrapeRequested)


@pytest.mark.parametrize("change", [{"match_id": 1}, {"fixture": None}])
def test_a_prediction_is_asked_for_a_match_or_a_pairing(change: dict[str, Any]) -> None:
    data = EXAMPLES["prediction.requested"] | change
    assert not schema("prediction.requested").is_valid(data)
    with pytest.raises(BadInput, match="one of the two"):
        payload_of(event_of("prediction.requested", data), PredictionRequested)


def test_an_event_of_another_type_is_not_read() -> None:
    with pytest.raises(BadInput, match=r"is not org\.matchcast\.scrape\.requested"):
        payload_of(event_of("prediction.requested", {}), ScrapeRequested)


@given(id=st.text(min_size=1), source=st.text(min_size=1), other=st.text(min_size=1))
def test_a_derived_id_depends_on_the_parent_and_the_type_alone(id: str, source: str, other: str) -> None:
    parent = Event(id, source, "x", NOW)
    again = Event(id, source, "y", datetime(2026, 1, 1, tzinfo=UTC), {"other": other})
    assert derived_id(parent, "a") == derived_id(again, "a") != derived_id(parent, "b")
    if other != id:
        assert derived_id(Event(other, source, "x", NOW), "a") != derived_id(parent, "a")


def test_an_event_that_follows_names_its_parent_and_has_a_time() -> None:
    parent = event_of("scrape.requested", EXAMPLES["scrape.requested"])
    payload = read_fields(EventRejected, EXAMPLES["event.rejected"])
    followed = next_event(parent, payload, service="scrape", now=NOW)
    assert (followed.source, followed.type, followed.time) == ("/matchcast/scrape", EventRejected.type(), NOW)
    assert followed.extensions == {"parentid": parent.id}
    assert followed.id == derived_id(parent, EventRejected.type())
    first = first_event(payload, id=named_id("a", "b"), service="scrape", now=NOW)
    assert first.id == named_id("a", "b") != named_id("ab")
