"""What every DAG shares: how the functions and brokers are called, and what is told when a task fails.

Connections (HTTP): `matchcast`, the functions, its password an API key with the scope `ingest`; `matchcast_ingest` and
`matchcast_inference`, the brokers' ingresses. In Airflow's configuration, section `matchcast`: `retry_seconds` (300),
`poll_seconds` (60) and `wait_seconds` (3600).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from airflow.sdk import Context, conf
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSensorTimeout

if TYPE_CHECKING:
    from requests import Response

FUNCTIONS: Final = "matchcast"
INGEST: Final = "matchcast_ingest"
INFERENCE: Final = "matchcast_inference"

_NAMESPACE: Final = UUID("7f2ce0a6-2c3a-5d0e-9f0b-6d61746368ca")
RETRIES: Final = 3

_PASSING: Final = frozenset({408, 409, 425, 429})
_SECONDS: Final = 30.0
_LONGEST_KEY: Final = 255
_LONGEST_TEXT: Final = 2000
_PROBLEM: Final = ("type", "title", "status", "detail", "field")
_LOG: Final = logging.getLogger(__name__)


class Away(AirflowException):
    """Not answered, or not now: asking again may help.

    Attributes:
        problem: what went wrong, as RFC 9457 has it.
    """

    def __init__(self, message: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.problem: Final = dict(problem or _ours("unavailable", 503, message))


class Refused(AirflowFailException):
    """Asking again does not help; the run fails at once.

    Attributes:
        problem: what went wrong, as RFC 9457 has it.
    """

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title")))
        self.problem: Final = dict(problem)


def refusal(detail: str, field: str | None = None, status: int = 422, type_: str = "bad-input") -> Refused:
    """Of ours, as the functions would tell it."""
    return Refused(_ours(type_, status, detail) | ({} if field is None else {"field": field}))


def call(
    method: str,
    path: str,
    *,
    connection: str = FUNCTIONS,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Send a request through the HTTP provider; redirects are not followed, the key stays here.

    Raises:
        Away: no answer, or one of a passing fault. Refused: any other but 2xx, with the problem that it told, and a
            passing one that is to last longer than all retries.
    """
    from airflow.providers.http.hooks.http import HttpHook
    from requests import RequestException

    hook = HttpHook(method=method, http_conn_id=connection)
    given = dict(headers or {})
    key = hook.get_connection(connection).password
    if key:
        given["X-API-Key"] = key
    sent = {} if body is None else {"json": body}
    options = {"timeout": _SECONDS, "allow_redirects": False, "check_response": False}
    try:
        answer: Response = hook.run(path, headers=given, extra_options=options, **sent)
    except RequestException as error:
        raise Away(f"{method} {path}: {connection} does not answer ({type(error).__name__})") from error
    if 200 <= answer.status_code < 300:
        return answer
    told = _problem_of(answer)
    if passes(answer.status_code) and _seconds_of(answer) <= RETRIES * _retry_seconds():
        raise Away(f"{method} {path}: {answer.status_code} {told['detail']}", told)
    raise Refused(told)


def passes(status: int) -> bool:
    """Whether asking again may help."""
    return status >= 500 or status in _PASSING


def key_of(context: Context, *more: str) -> str:
    """The Idempotency-Key of a task: the same for every retry, another after it was cleared."""
    ti = context["ti"]
    # clearing grants further tries, retrying does not
    key = "/".join((ti.dag_id, ti.run_id, ti.task_id, str(ti.max_tries), *more))
    return key if len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable() else named_id(key)


def named_id(*parts: str) -> str:
    """A UUIDv5 of names that are unique together; the functions make the same one."""
    return str(uuid5(_NAMESPACE, "\n".join(parts)))


def publish(connection: str, *, id_: str, source: str, type_: str, time: datetime, data: Any) -> None:
    """Post a CloudEvent to a broker; posted again with the same id, it is handled once.

    Raises:
        Away: the broker does not take it now. Refused: it never will.
    """
    attributes = {"specversion": "1.0", "id": id_, "source": source, "type": type_, "time": written(time)}
    call("POST", "/", connection=connection, body=data, headers={f"ce-{k}": v for k, v in attributes.items()})


def written(instant: datetime) -> str:
    """As a CloudEvent's time is written."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def due(context: Context) -> datetime:
    """The instant a run is for: the end of its data interval; without one, when it was due to run."""
    end = context.get("data_interval_end")
    instant: datetime = context["dag_run"].run_after if end is None else end
    return instant.astimezone(UTC)


def tell_failure(context: Context) -> None:
    """Publish org.matchcast.workflow.failed for a task that failed for good."""
    ti = context["ti"]
    names = (ti.dag_id, ti.run_id, ti.task_id)
    told = dict(zip(("dag", "run", "task"), names, strict=True))
    publish(
        INGEST,
        id_=named_id("workflow.failed", *names, str(ti.map_index), str(ti.try_number)),
        source="/matchcast/airflow",
        type_="org.matchcast.workflow.failed",
        time=datetime.now(UTC),
        data=told | {"problem": _problem(context.get("exception"))},
    )


def defaults() -> dict[str, Any]:
    """Of every task."""
    return {
        "owner": "matchcast",
        "retries": RETRIES,
        "retry_delay": timedelta(seconds=_retry_seconds()),
        "on_failure_callback": tell_failure,
    }


def _retry_seconds() -> int:
    return conf.getint("matchcast", "retry_seconds", fallback=300)


def _seconds_of(answer: Response) -> float:
    """For how long it says that asking again will not help."""
    told = answer.headers.get("Retry-After", "")
    return float(told) if told.isascii() and told.isdecimal() else 0.0


def _ours(type_: str, status: int, detail: str) -> dict[str, Any]:
    title = type_.replace("-", " ").capitalize()
    return {"type": f"urn:matchcast:problem:{type_}", "title": title, "status": status, "detail": detail}


def _problem(error: Any) -> dict[str, Any]:
    if isinstance(error, Refused | Away):
        found = {name: error.problem[name] for name in _PROBLEM if error.problem.get(name) is not None}
    elif isinstance(error, AirflowSensorTimeout):
        found = _ours("timed-out", 504, str(error))
    elif isinstance(error, BaseException):
        found = {"title": type(error).__name__, "detail": str(error)}
    else:  # the worker that ran it is no more
        found = {"title": "Ended from outside", "detail": str(error or "")}
    found = {name: value for name, value in found.items() if value != ""}
    whole = {"type": "about:blank", "title": "Failed", "status": 500, "detail": "the task's log tells more"} | found
    return {k: v if k == "status" else str(v).replace("\0", "")[:_LONGEST_TEXT] for k, v in whole.items()}


def _problem_of(answer: Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except json.JSONDecodeError:
        told = None
    if not isinstance(told, dict) or "detail" not in told:
        told = {"detail": f"{answer.request.method} {answer.request.path_url}: {answer.status_code} {answer.reason}"}
    return {"type": "about:blank", "title": str(answer.reason), "status": answer.status_code} | told
