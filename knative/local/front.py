"""The port that people use: requests go where the routes say, health and metrics cover all functions."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from ipaddress import ip_address
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from knative.local.activator import refuse
from knative.local.metrics import LocalMetrics
from knative.local.ping import Pinger
from knative.local.processes import FunctionProcess
from knative.local.routing import Routes
from matchcast.adapters.clock import utc_now
from matchcast.errors import NotFound, Unauthorised
from matchcast.telemetry import Telemetry
from matchcast.web.answers import Answer
from matchcast.web.app import DOCUMENTS, Observed, WebApp
from matchcast.web.operations import Call
from matchcast.web.problems import problem
from matchcast.web.readiness import Checks


class Inside(NamedTuple):
    """What the front stands before.

    Attributes:
        services: what answers for a Service.
        applications: those of them that run in this process.
        processes: of those that do not run in this process.
        addresses: local by in-cluster address.
        telemetry: of the runtime itself.
    """

    services: Mapping[str, ASGIApp]
    applications: Mapping[str, WebApp]
    checks: Checks
    processes: Mapping[str, FunctionProcess]
    addresses: Mapping[str, str]
    pingers: Mapping[str, Pinger]
    telemetry: Telemetry


class NotRun:
    """Answers for a Service that cannot run here."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await refuse(scope, receive, send, 503, self._reason)


class Front:
    """An ASGI application.

    Beside the routes of the manifests it answers, on this machine only, `GET /_local` with the address of everything and
    the processes of functions, and `POST /_local/pingsources/NAME`, which sends that source's event now.
    """

    def __init__(
        self, inside: Inside, routes: Routes, lifespan: Callable[[Inside], AbstractAsyncContextManager[None]]
    ) -> None:
        self._inside = inside
        self._routes = routes
        self._lifespan = lifespan
        own = inside.telemetry
        embedded = {name: app.telemetry for name, app in inside.applications.items()}
        metrics = LocalMetrics(own, embedded, inside.processes)
        checks = {f"{name} {what}": c for name, app in inside.applications.items() for what, c in app.checks.items()}
        self._front = WebApp("local", checks={**checks, **inside.checks}, telemetry=own, exposition=metrics.exposition)
        self._not_allowed = Observed(self._answer_405, own)
        self._front.router.lifespan_context = self._life
        self._add_admin()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._front(scope, receive, send)
            return
        is_document = scope["path"] in DOCUMENTS  # the same everywhere: no function is started for it
        service = None if is_document else self._routes.service_for(scope["method"], scope["path"])
        if service is not None:
            await self._inside.services[service](scope, receive, send)
        elif not is_document and self._routes.methods_at(scope["path"]):
            await self._not_allowed(scope, receive, send)
        else:
            await self._front(scope, receive, send)

    async def _answer_405(self, scope: Scope, receive: Receive, send: Send) -> None:
        allowed = ", ".join(self._routes.methods_at(scope["path"]))
        detail = f"{scope['method']} is not allowed at {scope['path']}; allowed are {allowed}"
        await problem(scope, 405, detail, headers={"Allow": allowed})(scope, receive, send)

    @asynccontextmanager
    async def _life(self, _: Any) -> AsyncIterator[None]:
        try:
            async with self._lifespan(self._inside):
                yield
        finally:
            await asyncio.to_thread(self._inside.telemetry.close)

    def _add_admin(self) -> None:
        inside = self._inside

        @self._front.get("/_local", tag="local", hidden=True)
        def local(call: Call[None, None]) -> dict[str, Any]:
            _only_from_here(call.request)
            processes = {name: {"pid": p.pid, "state": p.state} for name, p in inside.processes.items()}
            return {"addresses": inside.addresses, "processes": processes, "pingsources": sorted(inside.pingers)}

        @self._front.post("/_local/pingsources/{name}", tag="local", hidden=True, status=202)
        async def ping(call: Call[None, None]) -> Answer:
            _only_from_here(call.request)
            name = call.request.path_params["name"]
            if name not in inside.pingers:
                raise NotFound(
                    f"there is no PingSource {name}; there are {', '.join(sorted(inside.pingers)) or 'none'}"
                )
            await inside.pingers[name].send(utc_now())
            return Answer({"sent": name})


def _only_from_here(request: Request) -> None:
    """
    Raises:
        Unauthorised: the request comes from another machine.
    """
    if request.client is None or not ip_address(request.client.host).is_loopback:
        raise Unauthorised("this answers on the machine itself only")
