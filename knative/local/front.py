"""The port that people use: requests go where the routes say, health and documents cover all functions."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from ipaddress import ip_address
from typing import Any, NamedTuple

from anyio import to_thread
from fastapi import FastAPI, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from knative.local.activator import refuse
from knative.local.ping import Pinger
from knative.local.processes import FunctionProcess
from knative.local.routing import Routes
from matchcast.adapters.clock import utc_now
from matchcast.errors import NotFound, Unauthorised
from matchcast.telemetry import MergedMetrics, Telemetry
from matchcast.web.app import Checks, Observed, create_web_app
from matchcast.web.problems import problem


class Inside(NamedTuple):
    """What the front stands before.

    Attributes:
        services: what answers for a Service.
        applications: those of them that run in this process.
        documents: makes the OpenAPI document of each.
        processes: of those that do not run in this process.
        addresses: local by in-cluster address.
    """

    services: Mapping[str, ASGIApp]
    applications: Mapping[str, FastAPI]
    checks: Checks
    documents: Mapping[str, Callable[[], dict[str, Any]]]
    processes: Mapping[str, FunctionProcess]
    addresses: Mapping[str, str]
    pingers: Mapping[str, Pinger]


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
        self._documents: Mapping[str, dict[str, Any]] | None = None
        own = Telemetry()
        parts = {name: app.state.telemetry.registry for name, app in inside.applications.items()}
        metrics = MergedMetrics({**parts, "local": own.registry})
        checks = {f"{name} {what}": c for name, app in inside.applications.items() for what, c in _checks(app).items()}
        self._front = create_web_app(
            "local", checks={**checks, **inside.checks}, telemetry=own, exposition=metrics.exposition
        )
        self._not_allowed = Observed(self._answer_405, own)
        self._front.router.lifespan_context = self._life
        self._front.openapi = self._openapi  # type: ignore[method-assign]
        self._add_admin()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._front(scope, receive, send)
            return
        service = self._routes.service_for(scope["method"], scope["path"])
        if service is not None:
            await self._inside.services[service](scope, receive, send)
        elif self._routes.methods_at(scope["path"]):
            await self._not_allowed(scope, receive, send)
        else:
            if scope["path"] == "/openapi.json":
                await to_thread.run_sync(self._described)  # functions that are processes are imported for it
            await self._front(scope, receive, send)

    async def _answer_405(self, scope: Scope, receive: Receive, send: Send) -> None:
        allowed = ", ".join(self._routes.methods_at(scope["path"]))
        detail = f"{scope['method']} is not allowed at {scope['path']}; allowed are {allowed}"
        await problem(scope, 405, detail, headers={"Allow": allowed})(scope, receive, send)

    @asynccontextmanager
    async def _life(self, _: Any) -> AsyncIterator[None]:
        async with self._lifespan(self._inside):
            yield

    def _add_admin(self) -> None:
        inside = self._inside

        @self._front.get("/_local", include_in_schema=False)
        def local(request: Request) -> dict[str, Any]:
            _only_from_here(request)
            processes = {name: {"pid": p.pid, "state": p.state} for name, p in inside.processes.items()}
            return {"addresses": inside.addresses, "processes": processes, "pingsources": sorted(inside.pingers)}

        @self._front.post("/_local/pingsources/{name}", include_in_schema=False, status_code=202)
        async def ping(request: Request, name: str) -> dict[str, str]:
            _only_from_here(request)
            if name not in inside.pingers:
                raise NotFound(
                    f"there is no PingSource {name}; there are {', '.join(sorted(inside.pingers)) or 'none'}"
                )
            await inside.pingers[name].send(utc_now())
            return {"sent": name}

    def _described(self) -> Mapping[str, dict[str, Any]]:
        if self._documents is None:
            self._documents = {name: make() for name, make in self._inside.documents.items()}
        return self._documents

    def _openapi(self) -> dict[str, Any]:
        """One document of what the routes let through and of the health routes."""
        front = FastAPI.openapi(self._front)
        merged: dict[str, Any] = {**front, "paths": dict(front["paths"]), "components": {}}
        for name, document in self._described().items():
            for path, operations in document["paths"].items():
                routed = {m: o for m, o in operations.items() if self._routes.service_for(m.upper(), path) == name}
                if routed:
                    merged["paths"][path] = {**merged["paths"].get(path, {}), **routed}
            for kind, parts in document.get("components", {}).items():
                known = merged["components"].setdefault(kind, {})
                clash = [part for part in parts if known.get(part, parts[part]) != parts[part]]
                if clash:
                    raise ValueError(f"functions describe {', '.join(clash)} differently; rename one of them")
                known.update(parts)
        return merged


def _checks(app: FastAPI) -> Checks:
    checks: Checks = app.state.checks
    return checks


def _only_from_here(request: Request) -> None:
    """
    Raises:
        Unauthorised: the request comes from another machine.
    """
    if request.client is None or not ip_address(request.client.host).is_loopback:
        raise Unauthorised("this answers on the machine itself only")
