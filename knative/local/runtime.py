"""The application that runs all Services of the manifests, and its server."""

import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from knative.local.manifests import Manifests, read_manifests
from knative.local.routing import Routes
from matchcast.telemetry import MergedMetrics, Telemetry
from matchcast.web.app import Observed, create_web_app, serve
from matchcast.web.problems import problem


class LocalRuntime:
    """An ASGI application: requests go to the Service that the routes name, health and documents cover them all.

    Args:
        services: application by name of the Service.
        routes: of the manifests.
    """

    def __init__(self, services: Mapping[str, FastAPI], routes: Routes) -> None:
        self._services = services
        self._routes = routes
        own = Telemetry()
        metrics = MergedMetrics(
            {**{n: app.state.telemetry.registry for n, app in services.items()}, "local": own.registry}
        )
        checks = {f"{name} {what}": c for name, app in services.items() for what, c in app.state.checks.items()}
        self._front = create_web_app("local", checks=checks, telemetry=own, exposition=metrics.exposition)
        self._not_allowed = Observed(self._answer_405, own)
        self._front.router.lifespan_context = self._lifespan
        self._front.openapi = self._openapi  # type: ignore[method-assign]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._front(scope, receive, send)
            return
        service = self._routes.service_for(scope["method"], scope["path"])
        if service is not None:
            await self._services[service](scope, receive, send)
        elif self._routes.methods_at(scope["path"]):
            await self._not_allowed(scope, receive, send)
        else:
            await self._front(scope, receive, send)

    async def _answer_405(self, scope: Scope, receive: Receive, send: Send) -> None:
        allowed = ", ".join(self._routes.methods_at(scope["path"]))
        detail = f"{scope['method']} is not allowed at {scope['path']}; allowed are {allowed}"
        await problem(scope, 405, detail, headers={"Allow": allowed})(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _: Any) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for app in self._services.values():
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield

    def _openapi(self) -> dict[str, Any]:
        """One document of what the routes let through and of the health routes."""
        front = FastAPI.openapi(self._front)
        merged: dict[str, Any] = {**front, "paths": dict(front["paths"]), "components": {}}
        for name, app in self._services.items():
            document = app.openapi()
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


def local_runtime(manifests: Manifests) -> LocalRuntime:
    """The application for these manifests, with each function's own `app()`."""
    services = {
        service.metadata.name: importlib.import_module(f"functions.{service.function}.main").app()
        for service in manifests.services
    }
    return LocalRuntime(services, Routes(manifests.routes))


def run(port: int, host: str) -> None:
    """Serve `knative/base` on one port until SIGTERM, then drain."""
    serve(local_runtime(read_manifests()), port=port, host=host)
