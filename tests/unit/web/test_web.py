"""What requests are read by and answers are made of."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.requests import Request

from matchcast.errors import BadInput, Conflict, MatchcastError, NotFound, Unavailable
from matchcast.fields import BadFields
from matchcast.web.answers import Answer, etag_of, is_known
from matchcast.web.app import WebApp
from matchcast.web.openapi import document
from matchcast.web.operations import Call, read_asked, read_json
from matchcast.web.problems import STATUSES, problem, problem_of
from matchcast.web.requests import ForecastRequest


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order by number, or some."""

    order_id: int
    limit: int | None = None


def request(headers: dict[str, str] | None = None, query: str = "", **path: str) -> Request:
    told = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": query.encode(),
            "headers": told,
            "path_params": path,
        }
    )


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.sampled_from(ForecastRequest.__struct_fields__), inside),
)


@given(st.binary() | any_json.map(lambda value: json.dumps(value).encode()))
def test_a_body_is_read_or_refused_by_field(raw: bytes) -> None:
    """Whatever is sent, there is a request or a fault that names its field: never another error."""
    try:
        read = read_json(raw, msgspec.json.Decoder(ForecastRequest))
    except BadFields as error:
        assert error.faults
        assert all(fault.field and fault.detail for fault in error.faults)
    else:
        assert (read.match_id is None) != (read.home_team is None)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "body: is missing; send a JSON object"),
        (b"{", "body: is not JSON"),
        (b"[" * 100_000, "body: is no JSON that is nested so deeply"),
        (b"[]", "body: is no JSON object; send one"),
        (b"\xff", "body: is not JSON"),
        (b'{"match_id": 1, "nonsense": 2}', "nonsense: is no field of this; leave it out"),
    ],
)
def test_a_body_that_is_none_says_what_to_send(raw: bytes, words: str) -> None:
    with pytest.raises(BadFields, match=words):
        read_json(raw, msgspec.json.Decoder(ForecastRequest))


def test_path_and_query_are_read_together() -> None:
    assert read_asked(request(query="limit=2", order_id="7"), Asked) == Asked(order_id=7, limit=2)
    assert read_asked(request(order_id="7"), Asked) == Asked(order_id=7)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=1&limit=1", "limit: is given twice; give one"),
        ("order_id=8", "order_id: stands in the path; leave it out of the query"),
        ("limit=null", "limit: is null; leave it out"),
        ("limit=1.5", "limit: expected integer"),
        ("other=1", "other: is no field of this; leave it out"),
        ("x=1&x=2&order_id=8", "x: is given twice; give one; order_id: stands in the path"),
    ],
)
def test_a_parameter_that_is_wrong_is_named(query: str, words: str) -> None:
    with pytest.raises(BadFields, match=words):
        read_asked(request(query=query, order_id="7"), Asked)


@given(st.lists(st.text(max_size=5), min_size=1), st.lists(st.text(max_size=5), min_size=1))
def test_answers_made_of_equal_parts_have_equal_etags_and_others_have_not(one: list[str], other: list[str]) -> None:
    known = "\0" not in "".join((*one, *other))
    assert (etag_of(*one) == etag_of(*other)) == (one == other) or not known


def test_a_client_has_an_answer_whose_tag_it_names_strong_or_weak() -> None:
    etag = etag_of("a")
    plain = etag.removeprefix("W/")
    for sent in (etag, plain, f'"x", {etag}', f'{plain} , "y"', "*"):
        assert is_known(request({"if-none-match": sent}), etag)
    for sent in ("", '"x"', plain.strip('"')):
        assert not is_known(request({"if-none-match": sent}), etag)
    assert not is_known(request(), etag)


def kinds(kind: type[MatchcastError]) -> Iterator[type[MatchcastError]]:
    """It and all below."""
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


@pytest.mark.parametrize(
    ("root", "statuses"),
    [(BadInput, {401, 403, 404, 422}), (NotFound, {404, 410}), (Conflict, {409}), (Unavailable, {503, 504})],
)
def test_every_error_of_ours_has_a_status_of_its_kind(root: type[MatchcastError], statuses: set[int]) -> None:
    found = {next(status for known, status in STATUSES if issubclass(kind, known)).status for kind in kinds(root)}
    assert found == statuses


@example("/", "\ud800")
@given(st.text(st.characters()), st.text(st.characters()))
def test_a_problem_is_json_whatever_it_quotes(path: str, detail: str) -> None:
    scope = {"path": path, "state": {"request_id": "r1"}}
    for made in (
        problem(scope, 422, detail),
        problem_of(scope, BadInput(detail, "body")),
        problem_of(scope, NotFound(detail)),
    ):
        assert json.loads(bytes(made.body))["request_id"] == "r1"


def test_what_is_wrong_with_us_is_not_told() -> None:
    body = bytes(problem_of({"path": "/"}, MatchcastError("the password is x")).body)
    assert b"password" not in body


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an order."""

    order_id: int
    amount: int


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """Some lines."""

    items: list[Line]


def documented(gives: Any) -> dict[str, Any]:
    """The document of an order at a path, and of lines that name their order."""
    web = WebApp("orders")

    @web.get("/orders/{order_id}", tag="orders", asked=Asked, gives=Line)
    def order(call: Call[Asked, None]) -> Answer:
        """One order."""
        return Answer()

    @web.get("/lines", tag="orders", gives=gives)
    def lines(call: Call[None, None]) -> Answer:
        """Some lines.

        In no order.
        """
        return Answer()

    return document(web.operations, "1")


def test_a_field_named_like_a_parameter_leads_to_its_path() -> None:
    paths = documented(Lines)["paths"]
    assert paths["/lines"]["get"]["responses"]["200"]["links"] == {
        "order": {"operationId": "order", "parameters": {"order_id": "$response.body#/items/0/order_id"}}
    }
    assert "links" not in paths["/orders/{order_id}"]["get"]["responses"]["200"]


def test_parameters_and_words_are_documented_from_the_operation() -> None:
    paths = documented(Lines)["paths"]
    assert (paths["/lines"]["get"]["summary"], paths["/lines"]["get"]["description"]) == ("Some lines.", "In no order.")
    told = {p["name"]: p for p in paths["/orders/{order_id}"]["get"]["parameters"]}
    assert (told["order_id"]["in"], told["order_id"]["required"]) == ("path", True)
    assert told["limit"] == {"name": "limit", "in": "query", "required": False, "schema": {"type": "integer"}}


def test_an_answer_may_have_one_of_several_types() -> None:
    schema = documented((Line, Lines))["paths"]["/lines"]["get"]["responses"]["200"]["content"]["application/json"][
        "schema"
    ]
    assert [part["$ref"].rpartition("/")[2] for part in schema["anyOf"]] == ["Line", "Lines"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            'database postgresql://app:***@db.internal:5432/x: connection to server at "10.0.0.7", port 5432 failed; run',
            "database postgresql: connection to server failed; run",
        ),
        (
            "database sqlite:////srv/x.db is empty; run `matchcast migrate`",
            "database sqlite is empty; run `matchcast migrate`",
        ),
        ("the broker http://broker.matchcast/ did not answer", "the broker http did not answer"),
        (
            'connection to server at "db.internal" (10.0.0.5), port 5432 failed: Connection refused',
            "connection to server failed: Connection refused",
        ),
        ('connection to server on socket "/run/db/.s.PGSQL.5432" failed: gone', "connection to server failed: gone"),
        (
            'could not translate host name "db.internal" to address: gone',
            "could not translate host name to address: gone",
        ),
        (
            "failed to resolve host 'db.internal': [Errno -2] Name unknown",
            "failed to resolve host: [Errno -2] Name unknown",
        ),
        ("Error 111 connecting to cache.internal:6379. Refused.", "Error 111 connecting. Refused."),
        ("(Error -2 connecting to ::1:6379)", "(Error -2 connecting)"),
        ("no champion yet: run `matchcast promote VERSION`", "no champion yet: run `matchcast promote VERSION`"),
    ],
)
def test_what_is_away_is_told_without_where_it_is(said: str, told: str) -> None:
    assert json.loads(bytes(problem_of({"path": "/"}, Unavailable(said)).body))["detail"] == told
