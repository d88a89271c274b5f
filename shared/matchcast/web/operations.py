"""An operation: a method at a path, what it takes and gives, who may use it; carried out the same way for all."""

import hashlib
import inspect
import logging
from asyncio import timeout
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from matchcast.errors import BadInput, MatchcastError
from matchcast.fields import BadFields, Fault, read_fields
from matchcast.ports import ApiKey
from matchcast.web.answers import Answer, Passing, etag_of, is_known, marked
from matchcast.web.idempotency import KEY, Idempotency
from matchcast.web.keys import HEADER, KeyGuard, Limited, RateLimit
from matchcast.web.problems import problem, problem_of
from matchcast.web.threads import in_thread, too_long

JSON: Final = "application/json"
_LOG: Final = logging.getLogger("matchcast.web")
_ENCODE: Final = msgspec.json.Encoder().encode

A = TypeVar("A")
B = TypeVar("B")
S = TypeVar("S", bound=msgspec.Struct)


@dataclass(slots=True)
class Call(Generic[A, B]):
    """A request as an operation gets it.

    Attributes:
        asked: what stands in path and query.
        body: None where the operation takes none.
        key: None where the operation is open to all.
    """

    request: Request
    asked: A
    body: B
    key: ApiKey | None

    def link(self, path: str) -> str:
        """A path of ours, in the version of the API that the client uses."""
        return f"{self.request.scope.get('root_path', '')}{path}"


Run = Callable[[Call[Any, Any]], Any]


class Terms(NamedTuple):
    """On what terms requests are answered.

    Attributes:
        guard: knows the API keys; needed by operations with scopes.
        limit: how often a key may ask; None for as often as it likes.
        idempotency: keeps answers by Idempotency-Key; None and the header means nothing.
        seconds: how long a body may take to come, and then the answer, where an operation says nothing else.
    """

    guard: KeyGuard | None = None
    limit: RateLimit | None = None
    idempotency: Idempotency | None = None
    seconds: float = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A method at a path.

    Attributes:
        run: gives what is shown, as it is or in an `Answer`; a plain function runs in a thread.
        at_once: whether a plain function would wait for nothing now, so that it needs none.
        asked: names and types of the parameters in path and query.
        gives: type of the body of a good answer, or a tuple of those that it may have; None for no JSON.
        scopes: of which a key needs one; none: open to all.
        seconds: how long it may take; None for what the terms say.
        idempotent: whether Idempotency-Key is honoured.
        hidden: left out of the document.
        weight: as how many requests one with this body counts; None for one.
        troubles: statuses that the document names besides those that follow from the rest.
        meanwhile: what still answers while this does not, told with a 503.
    """

    method: str
    path: str
    run: Run
    tag: str
    asked: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    gives: Any = None
    status: int = 200
    scopes: tuple[str, ...] = ()
    media_type: str = JSON
    seconds: float | None = None
    at_once: Callable[[], bool] = bool
    idempotent: bool = False
    weight: Callable[[Any], int] | None = None
    hidden: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    troubles: tuple[int, ...] = ()
    meanwhile: str = ""

    @property
    def is_read(self) -> bool:
        return self.method == "GET" and self.tag != "health"


class Endpoint:
    """Carries an operation out: key, limit, parameters, body, answer."""

    def __init__(self, operation: Operation, terms: Terms) -> None:
        if operation.scopes and terms.guard is None:
            raise ValueError(f"{operation.method} {operation.path} has scopes, but nothing guards keys")
        self._operation = operation
        self._guard = terms.guard
        self._limit = terms.limit
        self._idempotency = terms.idempotency if operation.idempotent else None
        self._seconds = terms.seconds if operation.seconds is None else operation.seconds
        self._waits = inspect.iscoroutinefunction(operation.run)
        self._is_read = operation.is_read
        self._read_body = None if operation.body is None else msgspec.json.Decoder(operation.body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, headers = Request(scope, receive), {}
        try:
            key = None
            if self._guard is not None and self._operation.scopes:
                key = await self._guard.admit(request.headers.get(HEADER), self._operation.scopes)
                if self._limit is not None:
                    headers = await self._limit.take(key)
            if self._operation.meanwhile:
                scope.setdefault("state", {})["meanwhile"] = self._operation.meanwhile
            response = await self._answer(request, key, headers)
        except Limited as error:
            headers, response = dict(error.headers), problem_of(scope, error)
        except MatchcastError as error:
            response = problem_of(scope, error)
        except HTTPException as error:
            response = problem(scope, error.status_code, error.detail)
        for name, value in headers.items():
            response.headers[name] = value
        await response(scope, receive, send)

    async def _answer(self, request: Request, key: ApiKey | None, headers: dict[str, str]) -> Response:
        operation = self._operation
        asked = None if operation.asked is None else read_asked(request, operation.asked)
        raw, body = b"", None
        if self._read_body is not None:
            refused = _not_json(request)
            if refused is not None:
                return refused
            try:
                async with timeout(self._seconds):
                    raw = await request.body()
            except TimeoutError:
                return _too_slow(request, self._seconds)
            body = read_json(raw, self._read_body)
            if operation.weight is not None and key is not None and self._limit is not None:
                headers |= await self._limit.take_more(key, operation.weight(body) - 1)
        call = Call(request, asked, body, key)
        given = request.headers.get(KEY)
        if self._idempotency is None or given is None or key is None:
            return await self._carried_out(call)
        return await self._idempotency.once(
            given, key, operation.path, _ENCODE(asked) + raw, lambda: self._carried_out(call), request.scope
        )

    async def _carried_out(self, call: Call[Any, Any]) -> Response:
        run = self._operation.run
        if self._operation.at_once():
            made = run(call)
        elif self._waits:
            try:
                async with timeout(self._seconds):
                    made = await run(call)
            except TimeoutError as error:
                raise too_long(self._seconds) from error
        else:
            made = await in_thread(self._seconds, run, call)
        return self._response(made, call.request)

    def _response(self, made: Any, request: Request) -> Response:
        if isinstance(made, Response):
            return made
        operation = self._operation
        answer = made if isinstance(made, Answer) else Answer(made)
        status, headers = answer.status or operation.status, {**operation.headers, **answer.headers}
        content = answer.content
        if content is None:
            return Response(None, status, headers)
        raw = content if isinstance(content, bytes) else _ENCODE(content)
        if self._is_read and status == 200 and "ETag" not in headers:
            etag = etag_of(hashlib.sha256(raw).hexdigest())
            headers |= marked(etag)
            if is_known(request, etag):
                return Response(None, 304, headers)
        sent = Passing if answer.passing else Response
        return sent(raw, status, headers, operation.media_type)


def read_asked(request: Request, kind: type[S]) -> S:
    """What stands in path and query.

    Raises:
        BadFields: it is not as it should be; names every parameter at fault.
    """
    path = request.path_params
    if not request.scope["query_string"]:
        return read_fields(kind, path, texts=True)
    query = request.query_params
    names = [name for name, _ in query.multi_items()]
    faults = [
        Fault(
            name[:40], "stands in the path; leave it out of the query" if name in path else "is given twice; give one"
        )
        for name in query
        if name in path or names.count(name) > 1
    ]
    if faults:
        raise BadFields(tuple(faults))
    return read_fields(kind, {**query, **path}, texts=True)


def read_json(raw: bytes, decoder: "msgspec.json.Decoder[Any]") -> Any:
    """A body of the decoder's type.

    Raises:
        BadFields: it is not; names every field at fault.
    """
    try:
        try:
            return decoder.decode(raw)
        except (msgspec.ValidationError, BadInput):
            given = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        said = f"is not JSON ({error}); send a JSON object" if raw else "is missing; send a JSON object"
        raise BadFields((Fault("body", said),)) from error
    except RecursionError as error:
        raise BadFields((Fault("body", "is no JSON that is nested so deeply; send a flat object"),)) from error
    if not isinstance(given, dict):
        raise BadFields((Fault("body", "is no JSON object; send one"),))
    return read_fields(decoder.type, given)


def _too_slow(request: Request, seconds: float) -> Response:
    detail = f"body: did not come within {seconds:g} s; send it faster, or a smaller one"
    return problem(request.scope, 408, detail, headers={"Connection": "close"})


def _not_json(request: Request) -> Response | None:
    given = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if given == JSON or given.endswith("+json"):
        return None
    return problem(request.scope, 415, f"Content-Type: is {given or 'empty'}; send a JSON object as {JSON}")
