"""What the local runtime acts upon in the manifests, strictly: a key it does not know is an error.

`knative.local.published` holds the whole objects against the published models before.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from matchcast.errors import BadInput

FUNCTION_LABEL: Final = "matchcast.org/function"
PARALLELISM: Final = "rabbitmq.eventing.knative.dev/parallelism"
BROKER_CLASS: Final = "eventing.knative.dev/broker.class"
_DURATION: Final = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


def _duration(value: object) -> timedelta:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None or not any(found.groups()):
        raise ValueError(f"{value!r} is no ISO 8601 duration such as PT1S")
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


Duration = Annotated[timedelta, BeforeValidator(_duration)]


class Manifest(BaseModel):
    """Part of a Kubernetes object of which the rest is the cluster's."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)


class Strict(Manifest):
    """Part of a Kubernetes object that is acted upon as a whole."""

    model_config = ConfigDict(extra="forbid")


class Metadata(Manifest):
    """Name, labels and annotations."""

    name: str
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)


class Reference(Strict):
    """Another object by name."""

    api_version: str
    kind: str
    name: str
    namespace: str | None = None


class Destination(Strict):
    """Where events go: an object, an address, or a path at an object."""

    ref: Reference | None = None
    uri: str | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> "Destination":
        if self.ref is None and not (self.uri or "").startswith("http"):
            raise ValueError("give a ref, or a uri that begins with http")
        return self


class Delivery(Strict):
    """What is done about a subscriber that does not take an event.

    Attributes:
        retry: further tries after the first.
        backoff_delay: exponential: before the n-th retry 2^n times as long; linear: n times.
        timeout: of each try.
    """

    retry: int = Field(5, ge=0, le=100)
    backoff_policy: Literal["linear", "exponential"] = "exponential"
    backoff_delay: Duration = timedelta(milliseconds=50)
    timeout: Duration | None = None
    dead_letter_sink: Destination | None = None


class BrokerSpec(Strict):
    """A Broker's configuration."""

    config: Reference | None = None
    delivery: Delivery | None = None


class Broker(Manifest):
    """A Knative Broker."""

    metadata: Metadata
    spec: BrokerSpec = Field(default_factory=BrokerSpec)

    @model_validator(mode="after")
    def _on_rabbitmq(self) -> "Broker":
        kind = self.metadata.annotations.get(BROKER_CLASS)
        if kind != "RabbitMQBroker":
            raise ValueError(f"{BROKER_CLASS} is {kind}; only RabbitMQBroker runs here")
        return self


class BrokerConfigSpec(Manifest):
    """How a Broker uses RabbitMQ."""

    queue_type: Literal["quorum", "classic"] = "quorum"


class BrokerConfig(Manifest):
    """A RabbitmqBrokerConfig."""

    metadata: Metadata
    spec: BrokerConfigSpec


class Filter(Strict):
    """Exact values of attributes; only this kind of filter works on RabbitMQ."""

    attributes: Mapping[str, str] = Field(default_factory=dict)


class TriggerSpec(Strict):
    """A subscription."""

    broker: str
    filter: Filter = Field(default_factory=Filter)
    subscriber: Destination
    delivery: Delivery | None = None


class Trigger(Manifest):
    """A Knative Trigger."""

    metadata: Metadata
    spec: TriggerSpec

    @model_validator(mode="after")
    def _parallel(self) -> "Trigger":
        told = self.metadata.annotations.get(PARALLELISM, "1")
        if not (told.isdecimal() and 1 <= int(told) <= 1000):
            raise ValueError(f"{PARALLELISM} is {told}; give a number from 1 to 1000")
        return self

    @property
    def parallelism(self) -> int:
        """How many events are delivered at a time."""
        return int(self.metadata.annotations.get(PARALLELISM, "1"))


class PingSourceSpec(Strict):
    """Data that is sent on a schedule (five fields of cron, UTC)."""

    schedule: str
    timezone: Literal["UTC", "Etc/UTC"] = "UTC"
    content_type: str = "application/json"
    data: str = ""
    sink: Destination


class PingSource(Manifest):
    """A Knative PingSource."""

    metadata: Metadata
    spec: PingSourceSpec


class SinkBindingSpec(Strict):
    """Which sink a Service is told."""

    subject: Reference
    sink: Destination


class SinkBinding(Manifest):
    """A Knative SinkBinding."""

    metadata: Metadata
    spec: SinkBindingSpec


class Variable(Strict):
    """An environment variable; `value_from` is the cluster's to resolve."""

    name: str
    value: str | None = None
    value_from: Mapping[str, Any] | None = None


class Mount(Manifest):
    """A volume in a container."""

    mount_path: str


class Container(Manifest):
    """What of a container matters outside the cluster."""

    name: str = "user-container"
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Sequence[Variable] = ()
    volume_mounts: Sequence[Mount] = ()


class PodSpec(Manifest):
    """One container.

    Attributes:
        container_concurrency: requests handled at once; 0 for any number.
        timeout_seconds: until the end of an answer; also how long a process that is told to end may take.
        response_start_timeout_seconds: until an answer begins.
    """

    container_concurrency: int = Field(0, ge=0, le=1000)
    timeout_seconds: float = Field(300, gt=0, le=600)
    response_start_timeout_seconds: float | None = Field(None, gt=0, le=600)
    containers: Sequence[Container] = Field(min_length=1, max_length=1)


class PodTemplate(Manifest):
    """What is started."""

    spec: PodSpec


class Templated(Manifest):
    """Something that starts pods."""

    template: PodTemplate

    @property
    def container(self) -> Container:
        return self.template.spec.containers[0]


class Service(Manifest):
    """A Knative Service; its label `matchcast.org/function` names the folder under `functions`."""

    metadata: Metadata
    spec: Templated

    @property
    def function(self) -> str:
        """Name of the function's package.

        Raises:
            BadInput: the label is missing.
        """
        if FUNCTION_LABEL not in self.metadata.labels:
            raise BadInput(f"Service {self.metadata.name}: add the label {FUNCTION_LABEL}", FUNCTION_LABEL)
        return self.metadata.labels[FUNCTION_LABEL]


class Job(Manifest):
    """A Kubernetes Job."""

    spec: Templated


class JobSinkSpec(Manifest):
    """The Job that an event starts."""

    job: Job


class JobSink(Manifest):
    """A Knative JobSink."""

    metadata: Metadata
    spec: JobSinkSpec


class PathMatch(Manifest):
    """Gateway API: Exact compares whole paths; PathPrefix compares segments and ignores a trailing slash."""

    type: Literal["Exact", "PathPrefix"]
    value: str = Field(pattern="^/")


class RouteMatch(Manifest):
    """Path and method; no method means any."""

    path: PathMatch
    method: str | None = None


class Backend(Manifest):
    """A Service by name."""

    name: str


class Rule(Manifest):
    """Requests that match any of `matches` go to the one backend."""

    matches: Sequence[RouteMatch]
    backend_refs: Sequence[Backend] = Field(min_length=1, max_length=1)


class RouteSpec(Manifest):
    """Rules of a route."""

    rules: Sequence[Rule]


class HttpRoute(Manifest):
    """A Gateway API HTTPRoute."""

    metadata: Metadata
    spec: RouteSpec
