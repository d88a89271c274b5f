"""All that the manifests name, put together on one machine."""

import asyncio
import importlib
import importlib.util
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from starlette.types import ASGIApp

from knative.local.activator import Activator
from knative.local.addresses import Addresses
from knative.local.delivery import Courier, Policy, Subscription
from knative.local.environment import lacking, service_environment
from knative.local.front import Front, Inside, NotRun
from knative.local.ingress import Ingress, Publisher
from knative.local.jobs import JobSinks
from knative.local.listeners import Listeners
from knative.local.manifests import BASE, Manifests, read_manifests
from knative.local.memory import MemoryBroker
from knative.local.objects import Broker, Service
from knative.local.ping import Pinger
from knative.local.processes import FunctionProcess, function_command
from knative.local.queues import ToldQueues
from knative.local.rabbitmq import RabbitmqBroker
from knative.local.routing import Routes
from knative.local.topology import BrokerNames
from matchcast.adapters.clock import utc_now
from matchcast.errors import BadInput
from matchcast.settings import Settings, read_settings
from matchcast.telemetry import Telemetry, log_as_json
from matchcast.web.app import DRAIN, WebApp, serve
from matchcast.web.connections import Connections

MEMORY: Final = "memory"
BROKER: Final = "MATCHCAST_LOCAL_BROKER"
"""The variable for its URL, which may hold a password."""
IDLE_SECONDS: Final = 60.0
_LOG: Final = logging.getLogger("matchcast.local")


class RunningBroker(Publisher, Protocol):
    """A Broker with its Triggers."""

    def check(self) -> None: ...

    async def start(self) -> None: ...

    @property
    def busy(self) -> bool: ...

    async def settle(self) -> None: ...

    async def close(self) -> None: ...


def local_runtime(
    manifests: Manifests,
    *,
    broker: str = MEMORY,
    processes: bool = False,
    idle_seconds: float = IDLE_SECONDS,
    jobs: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> Front:
    """The application for these manifests; its lifespan starts and ends everything else.

    Args:
        broker: `memory`, or the URL of a RabbitMQ.
        processes: each function in a process of its own, started on first traffic and stopped after `idle_seconds`.
        jobs: run what JobSinks start.
        environment: what the functions are given besides their manifests.
    Raises:
        BadInput: a manifest, the environment or an argument is not right.
    """
    house = House(manifests, broker, environment)
    try:
        house.open_job_sinks(jobs)
        house.open_brokers()
        house.open_queues()
        house.open_services(processes, idle_seconds)
        return house.front()
    except BaseException:
        house.abandon()
        raise


def run(
    port: int,
    host: str,
    broker: str = MEMORY,
    processes: bool = False,
    idle_seconds: float = IDLE_SECONDS,
    jobs: bool = False,
    folder: Path = BASE,
) -> None:
    """Serve manifests until SIGTERM, then drain."""
    if processes:
        log_as_json("INFO")
    application = local_runtime(
        read_manifests(folder), broker=broker, processes=processes, idle_seconds=idle_seconds, jobs=jobs
    )
    serve(application, port=port, host=host)


class House:
    """The parts, while they are put together, and their life."""

    def __init__(self, manifests: Manifests, broker: str, environment: Mapping[str, str]) -> None:
        if broker != MEMORY and not broker.startswith(("amqp://", "amqps://")):
            raise BadInput(f"--broker {broker}: give memory or an amqp:// URL", "broker")
        self._manifests = manifests
        self._broker_url = broker
        self._environment = environment
        self._listeners = Listeners()
        self._addresses = Addresses(manifests.namespace)
        self._courier = Courier(utc_now)
        self._brokers: dict[str, RunningBroker] = {}
        self._services: dict[str, ASGIApp] = {}
        self._applications: dict[str, WebApp] = {}
        self._processes: dict[str, FunctionProcess] = {}
        self._job_sinks: JobSinks | None = None
        self._service_urls = {s.metadata.name: self._listeners.open() for s in manifests.services}
        for name, url in self._service_urls.items():
            self._addresses.add_service(name, url)
        self._broker_urls = {b.metadata.name: self._listeners.open() for b in manifests.brokers}
        for name, url in self._broker_urls.items():
            self._addresses.add_broker(name, url)

    def abandon(self) -> None:
        """Close what is open; nothing was started."""
        self._listeners.close()

    def open_job_sinks(self, jobs: bool) -> None:
        sinks = self._manifests.job_sinks
        if sinks:
            url = self._listeners.open()
            self._addresses.add_job_sinks(url)
            self._job_sinks = JobSinks(sinks, self._addresses, self._environment if jobs else None)
            self._listeners.serve(url, self._job_sinks)

    def open_brokers(self) -> None:
        for manifest in self._manifests.brokers:
            name = manifest.metadata.name
            broker = self._broker(manifest, self._subscriptions(name))
            self._brokers[name] = broker
            self._listeners.serve(self._broker_urls[name], Ingress(broker))

    def _broker(self, manifest: Broker, subscriptions: Sequence[Subscription]) -> RunningBroker:
        if self._broker_url == MEMORY:
            return MemoryBroker(manifest.metadata.name, subscriptions, self._courier)
        names = BrokerNames(self._manifests.namespace, manifest.metadata.name, self._manifests.queue_type_of(manifest))
        return RabbitmqBroker(self._broker_url, names, subscriptions, self._courier)

    def _subscriptions(self, broker: str) -> list[Subscription]:
        found = []
        for trigger in self._manifests.triggers:
            if trigger.spec.broker == broker:
                delivery = self._manifests.delivery_of(trigger)
                sink = None if delivery is None else delivery.dead_letter_sink
                found.append(
                    Subscription(
                        trigger.metadata.name,
                        trigger.spec.filter.attributes,
                        self._addresses.place(trigger.spec.subscriber),
                        Policy.of(delivery),
                        None if sink is None else self._addresses.place(sink),
                        trigger.parallelism,
                    )
                )
        return found

    def open_queues(self) -> None:
        """Tell how long the queues of brokers in memory are, as RabbitMQ tells of its own."""
        in_memory = {name: b for name, b in self._brokers.items() if isinstance(b, MemoryBroker)}
        if in_memory:
            url = self._listeners.open()
            self._listeners.serve(url, ToldQueues(self._manifests.namespace, in_memory))
            self._environment = {**self._environment, "MATCHCAST_QUEUES_URL": url}

    def open_services(self, processes: bool, idle_seconds: float) -> None:
        sinks = {b.spec.subject.name: self._addresses.place(b.spec.sink).url for b in self._manifests.sink_bindings}
        for service in self._manifests.services:
            name = service.metadata.name
            _require(service)
            environment = service_environment(
                name, service.spec.container, sinks.get(name), self._environment, self._addresses
            )
            if processes:
                pod = service.spec.template.spec
                process = FunctionProcess(
                    name,
                    function_command(service.function),
                    environment,
                    idle_seconds,
                    stop_seconds=pod.timeout_seconds,
                )
                self._processes[name] = process
                self._services[name] = Activator(
                    process, pod.container_concurrency, pod.timeout_seconds, pod.response_start_timeout_seconds
                )
            else:
                self._services[name] = self._embedded(service, environment)
            self._listeners.serve(self._service_urls[name], self._services[name])

    def _embedded(self, service: Service, environment: Mapping[str, str]) -> ASGIApp:
        try:
            application = _application(service, environment)
        except BadInput as error:
            # what a Secret would hold may be missing on a developer's machine: the others run without this one
            if not any(variable in str(error) for variable in lacking(service.spec.container, environment)):
                raise
            _LOG.warning("%s does not run: %s", service.metadata.name, error)
            return NotRun(f"{service.metadata.name} does not run: {error}")
        self._applications[service.metadata.name] = application
        return application

    def front(self) -> Front:
        inside = Inside(
            services=self._services,
            applications=self._applications,
            checks={f"broker {name}": broker.check for name, broker in self._brokers.items()},
            processes=self._processes,
            addresses=self._addresses.all,
            pingers=self._pingers(),
            telemetry=self._telemetry(),
        )
        return Front(inside, Routes(self._manifests.routes), self._lifespan)

    def _telemetry(self) -> Telemetry:
        try:
            to = Connections(read_settings(Settings, self._environment))
        except BadInput as error:
            _LOG.warning("metrics tell nothing of database, objects and queues: %s", error)
            return Telemetry()
        return to.telemetry(self._environment.get("MATCHCAST_QUEUES_URL") or None)

    def _pingers(self) -> dict[str, Pinger]:
        return {
            source.metadata.name: Pinger(
                source, self._manifests.namespace, self._addresses.place(source.spec.sink), self._courier, utc_now
            )
            for source in self._manifests.ping_sources
        }

    @asynccontextmanager
    async def _lifespan(self, inside: Inside) -> AsyncIterator[None]:
        """Start in the order of need; end in reverse, deliveries in flight first."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._courier.close)
            await self._listeners.start()
            stack.push_async_callback(self._listeners.stop)
            if self._job_sinks is not None:
                stack.push_async_callback(self._job_sinks.stop)
            for application in self._applications.values():
                await stack.enter_async_context(application.router.lifespan_context(application))
            stack.push_async_callback(self._end_processes)
            stack.push_async_callback(self._settle)
            for broker in self._brokers.values():
                await broker.start()
            background = [pinger.run() for pinger in inside.pingers.values()]
            background += [process.watch() for process in self._processes.values()]
            tasks = [asyncio.create_task(part) for part in background]
            stack.push_async_callback(_cancel, tasks)
            yield

    async def _settle(self) -> None:
        self._courier.stopping.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN):
                await asyncio.gather(*(broker.settle() for broker in self._brokers.values()))
                while any(broker.busy for broker in self._brokers.values()):  # one may have handed on to another
                    await asyncio.gather(*(broker.settle() for broker in self._brokers.values()))
        await asyncio.gather(*(broker.close() for broker in self._brokers.values()))

    async def _end_processes(self) -> None:
        await asyncio.gather(*(process.close() for process in self._processes.values()))


async def _cancel(tasks: "Sequence[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _require(service: Service) -> None:
    package = f"functions.{service.function}"
    if importlib.util.find_spec(package) is None or importlib.util.find_spec(f"{package}.main") is None:
        raise BadInput(
            f"Service {service.metadata.name}: there is no functions/{service.function}/main.py; "
            "correct the label matchcast.org/function",
            "matchcast.org/function",
        )


def _application(service: Service, environment: Mapping[str, str]) -> WebApp:
    application: WebApp = importlib.import_module(f"functions.{service.function}.main").app(environment)
    return application
