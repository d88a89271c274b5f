"""The OpenAPI 3.1 document of all operations, and a page that shows it.

The document is made from the operations of all functions (`matchcast openapi --write`), committed as openapi.json beside
this, and served as it is.
"""

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final

import msgspec

from matchcast.web.app import VERSIONS
from matchcast.web.operations import JSON, Operation
from matchcast.web.problems import MEDIA_TYPE

PUBLISHED: Final = Path(__file__).with_name("openapi.json")
_REFERENCE: Final = "#/components/schemas/{name}"
_TEXT: Final = {"type": "string"}

PROBLEM: Final[Mapping[str, Any]] = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "instance": _TEXT,
        "request_id": _TEXT,
        "meanwhile": {"type": "string", "description": "with 503: what still answers"},
        "suggestions": {"type": "array", "items": _TEXT},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": _TEXT, "detail": _TEXT},
            },
        },
    },
}
_STATUSES: Final[Mapping[int, str]] = {
    304: "The client has it: If-None-Match held its ETag",
    401: "No active API key",
    403: "The key lacks the scope",
    404: "There is no such thing",
    409: "A request with this Idempotency-Key is under way, or this was done before",
    408: "The body did not come in time",
    410: "It is told no longer",
    413: "The body is too large",
    414: "Path and query are too long",
    415: "The body is not declared as JSON",
    422: "A field is missing, unknown or wrong",
    429: "The key has asked for more than it may, for now",
    431: "The headers are too large",
    500: "A fault of ours",
    503: "Something this depends on is away",
    504: "It took too long",
}


def document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """The document of these operations; a path and method of several functions, such as /livez, is told once."""
    told: dict[tuple[str, str], Operation] = {}
    for operation in operations:
        if not operation.hidden:
            told.setdefault((operation.path, operation.method), operation)
    kinds: list[Any] = []
    for operation in told.values():
        kinds += [kind for kind in (operation.asked, operation.body, *_given_kinds(operation)) if kind is not None]
    shown, parts = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    schemas = dict(zip(map(_name, kinds), shown, strict=True))
    asked = {_name(operation.asked) for operation in told.values() if operation.asked is not None}
    paths: dict[str, dict[str, Any]] = {}
    for (path, method), operation in sorted(told.items()):
        paths.setdefault(path, {})[method.lower()] = _operation(operation, schemas, parts)
    _link(told, paths, schemas, parts)
    components = {name: part for name, part in parts.items() if name not in asked} | {"Problem": dict(PROBLEM)}
    made = {
        "openapi": "3.1.0",
        "info": {
            "title": "Matchcast",
            "version": version,
            "description": f"Calibrated football forecasts. {_versions()}",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {"ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
        },
    }
    plain: dict[str, Any] = json.loads(msgspec.json.encode(made))
    return plain


@cache
def published_document() -> bytes:
    """The document as it is committed."""
    return PUBLISHED.read_bytes()


@cache
def document_page() -> bytes:
    """The document as a page."""
    told = json.loads(published_document())
    rows = []
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            scopes = ", ".join(operation.get("security", [{}])[0].get("ApiKey", [])) or "open"
            rows.append(
                f"<tr><td>{method.upper()}<td><code>{escape(path)}</code><td>{escape(operation['summary'])}"
                f"<td>{escape(scopes)}"
            )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Matchcast: HTTP</title>"
        "<style>body{font:16px sans-serif;margin:2em}td,th{padding:.3em 1em .3em 0;text-align:left;vertical-align:top}"
        "</style><h1>Matchcast</h1><p>"
        f"{escape(told['info']['description'])} The whole document, for your client: "
        '<a href="openapi.json">openapi.json</a> (OpenAPI 3.1).<table><tr><th>method<th>path<th>what<th>scope'
        f"{''.join(rows)}</table></html>"
    ).encode()


def _given_kinds(operation: Operation) -> tuple[Any, ...]:
    return operation.gives if isinstance(operation.gives, tuple) else (operation.gives,)


def _name(kind: Any) -> str:
    return str(kind)


def _versions() -> str:
    told = [
        f"Every path also answers below {prefix}."
        if going is None
        else f"Every path also answers below {prefix}, which is deprecated since {going.since} and ends {going.sunset}."
        for prefix, going in VERSIONS.items()
    ]
    return " ".join(told)


def _link(
    told: Mapping[tuple[str, str], Operation],
    paths: Mapping[str, Any],
    schemas: Mapping[str, Any],
    parts: Mapping[str, Any],
) -> None:
    """A field of an answer that is named like the one parameter in a path leads there."""
    targets: dict[str, list[str]] = {}
    for path, method in told:
        if path.count("{") == 1:
            parameter = path.partition("{")[2].partition("}")[0]
            targets.setdefault(parameter, []).append(paths[path][method.lower()]["operationId"])
    for (path, method), operation in told.items():
        first = _given_kinds(operation)[0]
        fields = () if first is None else _fields(schemas[_name(first)], parts)
        links = {
            target: {"operationId": target, "parameters": {name: f"$response.body#{pointer}"}}
            for name, pointer in fields
            for target in targets.get(name, ())
            if target != operation.run.__name__
        }
        if links:
            paths[path][method.lower()]["responses"][str(operation.status)]["links"] = links


def _fields(schema: Mapping[str, Any], parts: Mapping[str, Any], pointer: str = "") -> Iterator[tuple[str, str]]:
    """Names and JSON pointers of an object's fields, and of the objects inside; of lists, of their first item."""
    schema = parts[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if schema.get("type") == "array":
        yield from _fields(schema.get("items", {}), parts, f"{pointer}/0")
    for name, inside in schema.get("properties", {}).items():
        yield name, f"{pointer}/{name}"
        yield from _fields(inside, parts, f"{pointer}/{name}")


def _operation(operation: Operation, schemas: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    summary, _, rest = inspect.cleandoc(operation.run.__doc__ or operation.path).partition("\n")
    told: dict[str, Any] = {
        "operationId": operation.run.__name__.strip("_"),
        "summary": summary,
        "tags": [operation.tag],
        "responses": _responses(operation, schemas),
    }
    if rest.strip():
        told["description"] = " ".join(rest.split())
    if operation.scopes:
        told["security"] = [{"ApiKey": list(operation.scopes)}]
    parameters = _parameters(operation, parts)
    if parameters:
        told["parameters"] = parameters
    if operation.body is not None:
        examples = {f"example {n}": {"value": value} for n, value in enumerate(_examples(operation.body), 1)}
        content = {"schema": schemas[_name(operation.body)]} | ({"examples": examples} if examples else {})
        told["requestBody"] = {"required": True, "content": {JSON: content}}
    return told


def _examples(kind: Any) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = getattr(kind, "EXAMPLES", ())
    return found


def _parameters(operation: Operation, parts: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    if operation.asked is not None:
        whole = parts[operation.asked.__name__]
        for name, schema in whole["properties"].items():
            in_path = f"{{{name}}}" in operation.path
            shown = {key: value for key, value in schema.items() if key != "default" or value is not None}
            told = {"name": name, "in": "path" if in_path else "query", "required": in_path, "schema": _given(shown)}
            description = shown.pop("description", None)
            found.append(told | ({"description": description} if description else {}))
    if operation.is_read:
        found.append({"name": "If-None-Match", "in": "header", "required": False, "schema": _TEXT})
    if operation.idempotent:
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
        description = "the same key and body get the same answer, and nothing is done twice"
        found.append(
            {"name": "Idempotency-Key", "in": "header", "required": False, "schema": schema, "description": description}
        )
    return found


def _given(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A parameter is given or not; nothing in a query is null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    return {**{key: value for key, value in schema.items() if key != "anyOf"}, **choices[0]}


def _responses(operation: Operation, schemas: Mapping[str, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "As asked"}
    if operation.gives is not None:
        shown = [schemas[_name(kind)] for kind in _given_kinds(operation)]
        good["content"] = {operation.media_type: {"schema": shown[0] if len(shown) == 1 else {"anyOf": shown}}}
    elif operation.status not in (204, 304):
        good["content"] = {operation.media_type.partition(";")[0]: {"schema": _TEXT}}
    headers = {"X-Request-Id": {"schema": _TEXT}}
    if operation.is_read:
        headers |= {"ETag": {"schema": _TEXT}, "Cache-Control": {"schema": _TEXT}}
    if operation.status == 202:
        headers |= {"Location": {"schema": _TEXT}, "Retry-After": {"schema": _TEXT}}
    if operation.scopes:
        headers |= {"RateLimit": {"schema": _TEXT}, "RateLimit-Policy": {"schema": _TEXT}}
    if operation.idempotent:
        headers |= {"Idempotency-Replayed": {"schema": {"const": "true"}}}
    good["headers"] = headers
    found = {str(operation.status): good}
    for status in sorted(_troubles(operation)):
        told: dict[str, Any] = {"description": _STATUSES[status]}
        if status != 304:
            told["content"] = {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(name="Problem")}}}
        if status in (429, 503, 504) or (status == 409 and operation.idempotent):
            told["headers"] = {"Retry-After": {"schema": _TEXT}}
        if status == 401:
            told["headers"] = {"WWW-Authenticate": {"schema": _TEXT}}
        found[str(status)] = told
    return found


def _troubles(operation: Operation) -> set[int]:
    found = {500, 503} if operation.tag != "health" or operation.path in ("/readyz", "/healthcheck/") else {500}
    if operation.tag == "health":
        return found
    found |= {413, 414, 431, 504}
    if operation.is_read:
        found |= {304}
    if operation.scopes:
        found |= {401, 403, 429}
    if operation.asked is not None or operation.body is not None:
        found |= {404, 422}
    if operation.body is not None:
        found |= {408, 415}
    if operation.idempotent:
        found |= {409, 422}
    return found | set(operation.troubles)
