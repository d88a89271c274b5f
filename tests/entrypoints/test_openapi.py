"""The committed OpenAPI document is that of the code, valid and whole, and its examples work."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.definitions import OPENAPI_31

from commands.openapi import rendered
from matchcast.web.app import VERSIONS, Deprecation
from matchcast.web.openapi import PUBLISHED, document, published_document
from tests.entrypoints.surface import whole_surface

DOCUMENT: dict[str, Any] = json.loads(published_document())
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
EACH = pytest.mark.parametrize("name", OPERATIONS)


@pytest.fixture(scope="module")
def surface(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with whole_surface(tmp_path_factory.mktemp("examples")) as client:
        yield client


def parts(node: Any) -> Iterator[Any]:
    """A JSON value and all values inside."""
    yield node
    for inside in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from parts(inside)


def test_the_committed_document_is_that_of_the_code() -> None:
    assert PUBLISHED.read_text() == rendered(), "run `matchcast openapi --write` and commit what it writes"


def test_the_document_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert [error.message for error in Draft202012Validator(OPENAPI_31).iter_errors(DOCUMENT)] == []
    schemas = [part["schema"] for part in parts(DOCUMENT) if isinstance(part, dict) and "schema" in part]
    assert len(schemas) > 100
    for schema in (*schemas, *DOCUMENT["components"]["schemas"].values()):
        Draft202012Validator.check_schema(schema)


def test_every_reference_and_every_link_leads_somewhere() -> None:
    references = {part["$ref"] for part in parts(DOCUMENT) if isinstance(part, dict) and "$ref" in part}
    assert references
    for reference in references:
        found = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
    links = [
        link
        for operation in OPERATIONS.values()
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    by_id = {operation["operationId"]: operation for operation in OPERATIONS.values()}
    assert len(by_id) == len(OPERATIONS), "two operations have the same id"
    assert {"forecast_of", "status_of_task"} <= {link["operationId"] for link in links}
    for link in links:
        assert set(link["parameters"]) <= {p["name"] for p in by_id[link["operationId"]]["parameters"]}


@EACH
def test_every_operation_says_what_it_does_and_how_it_fails(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"].endswith((".", ";"))
    assert len(operation["tags"]) == 1
    assert "500" in operation["responses"]
    for status, answer in operation["responses"].items():
        if status >= "400":
            assert answer["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem")
    if "security" in operation:
        assert {"401", "403", "429"} <= set(operation["responses"])
    if "requestBody" in operation:
        assert operation["requestBody"]["content"]["application/json"]["examples"]
        assert {"413", "415", "422"} <= set(operation["responses"])


def requests() -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Every example of a body, and every example of a parameter of its own."""
    for name, operation in OPERATIONS.items():
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in body.get("examples", {}).values():
            yield name, {}, example["value"]
        for parameter in operation.get("parameters", ()):
            for example in parameter["schema"].get("examples", ()):
                yield name, {parameter["name"]: example}, None


EXAMPLES = list(requests())


@pytest.mark.parametrize(("name", "given", "body"), EXAMPLES, ids=[f"{n} {json.dumps(b or g)}" for n, g, b in EXAMPLES])
def test_examples_work(surface: httpx.Client, name: str, given: dict[str, Any], body: Any) -> None:
    """An example is answered well; one by id may name what a small house does not have."""
    method, path = name.split()
    for parameter, value in given.items():
        path = path.replace(f"{{{parameter}}}", str(value))
    query = {parameter: value for parameter, value in given.items() if f"{{{parameter}}}" not in name}
    answer = surface.request(method, path, params=query, json=body)
    assert str(answer.status_code) in OPERATIONS[name]["responses"]
    names_one = any("_id" in field for field in (body or given))
    assert answer.status_code < 300 or (names_one and answer.status_code == 404), answer.text
    if body is not None and "matches" in body:
        assert any(item["forecast"] is not None for item in answer.json()["items"]), answer.text


def test_a_version_that_goes_is_told_in_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "deprecated" not in DOCUMENT["info"]["description"]
    monkeypatch.setitem(VERSIONS, "/v1", Deprecation("@1798761600", "Thu, 01 Jul 2027 00:00:00 GMT"))
    told = document([], "1")["info"]["description"]
    assert "/v1, which is deprecated since @1798761600 and ends Thu, 01 Jul 2027 00:00:00 GMT" in told
