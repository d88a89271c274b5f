"""What each function needs from the environment, checked when it starts."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from matchcast.adapters.database.patience import Patience
from matchcast.adapters.objects import S3Access
from matchcast.errors import BadInput
from matchcast.fields import BadFields, Checked, Fault, Instant, Secret, read_fields

PREFIX: Final = "MATCHCAST_"
DOWNLOAD: Final = "download"
"""In place of the demo's file: fetch it."""
_BUCKET: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]+(/[^/?#]+)*/?")
_DATABASE: Final = re.compile(
    r"sqlite://(/.*)?"
    r"|(postgresql|postgresql\+psycopg|postgres)://([^:/@]*(:[^@]*)?@)?(\[[0-9a-fA-F:.]+\]|[^][/?:@]*)(:[0-9]{1,5})?([/?].*)?"
)
_LARGEST_PORT: Final = 65_535
_SHORTEST_TOKEN: Final = 16
_DATABASE_SECONDS: Final = 10.0
_LONGEST_WAIT: Final = 30.0
_ANSWERING: Final = 5.0


def _objects_url(value: str) -> None:
    try:
        is_folder = not urlsplit(value).scheme and bool(value.strip())
    except ValueError:
        is_folder = False
    if not is_folder and not value.startswith("file:///") and not _BUCKET.fullmatch(value):
        raise ValueError("only a folder path, a file:/// URL or s3://bucket[/prefix] is supported")


def _database_url(value: str) -> None:
    """Told at the start, and without quoting it: it holds a password."""
    if not value.startswith(("sqlite:", "postgresql:", "postgresql+psycopg:", "postgres:")):
        raise ValueError("only sqlite: and postgresql: URLs are supported")
    if not _DATABASE.fullmatch(value):
        raise ValueError("is no URL of a database; special characters in a password are written as %xx")


def _http_url(value: str) -> None:
    if not value.startswith(("http://", "https://")):
        raise ValueError("only http:// and https:// URLs are supported")
    _with_host(value)


def _contact(value: str) -> None:
    if not value.isascii() or not value.isprintable():
        raise ValueError("has other than ASCII characters; it goes into a header")
    if not re.fullmatch(r"[^\s@]+@[^\s@]+\.[^\s@]+|https?://\S+", value):
        raise ValueError("is neither an e-mail address nor the URL of a page")


def _redis_url(value: str) -> None:
    if not value.startswith(("redis://", "rediss://")):
        raise ValueError("only redis:// and rediss:// URLs are supported")
    _with_host(value)
    if not re.fullmatch(r"/?[0-9]*", urlsplit(value).path):
        raise ValueError("ends in what is no number of a database; leave it out")


def _with_host(url: str) -> None:
    try:
        parts = urlsplit(url)
        reachable = bool(parts.hostname) and 0 < (80 if parts.port is None else parts.port) <= _LARGEST_PORT
    except ValueError:  # of what it quotes, some may be a password
        reachable = False
    if not reachable or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("has no host, or a port that is none")


def _token(value: Secret) -> None:
    if len(value.reveal()) < _SHORTEST_TOKEN:
        raise ValueError(f"has less than {_SHORTEST_TOKEN} characters")


def _wheel(value: str) -> None:
    if value != DOWNLOAD and not Path(value).is_file():
        raise ValueError(f"is no file, nor the word {DOWNLOAD}")


class Settings(Struct, frozen=True, kw_only=True, rename=lambda name: PREFIX + name.upper()):
    """What every serving function reads; a field `x` is the variable MATCHCAST_X, unless it has another name.

    Attributes:
        objects_url: a folder, or a bucket; for a bucket, the aws_ ones say how to reach it, as for any S3 client.
        aws_endpoint_url: of MinIO; none for Amazon's.
        cache_dir: where copies of objects are kept; on a read-only file system, a writable mount.
        cache_url: of Redis; none, and each process keeps for itself what it has worked out and counted.
        rate_quota: requests that an API key has every `rate_seconds`; 0 means no limit.
        request_seconds: how long answering a request may take.
        clock_starts_at: the process's clock starts there and runs on, for demos on past matches.
        code_revision: recorded with each forecast; by default git's, where this runs from a checkout.
    """

    database_url: Annotated[
        str,
        Checked(_database_url),
        Meta(examples=["sqlite:///var/matchcast.db", "postgresql://user@host/matchcast"]),
    ] = "sqlite:///var/matchcast.db"
    objects_url: Annotated[
        str,
        Checked(_objects_url),
        Meta(examples=["var/objects", "file:///srv/matchcast/objects", "s3://matchcast"]),
    ] = "var/objects"
    aws_endpoint_url: Annotated[
        str | None, Checked(_http_url), Meta(examples=["http://minio.minio.svc.cluster.local:9000"])
    ] = msgspec.field(name="AWS_ENDPOINT_URL", default=None)
    aws_access_key_id: Annotated[str | None, Meta(examples=["matchcast"])] = msgspec.field(
        name="AWS_ACCESS_KEY_ID", default=None
    )
    aws_secret_access_key: Annotated[Secret | None, Meta(examples=["the key that belongs to the id"])] = msgspec.field(
        name="AWS_SECRET_ACCESS_KEY", default=None
    )
    aws_default_region: Annotated[str, Meta(examples=["eu-central-1"])] = msgspec.field(
        name="AWS_DEFAULT_REGION", default="us-east-1"
    )
    cache_dir: Annotated[Path, Meta(examples=["var/cache"])] = Path("var/cache")
    cache_url: Annotated[str | None, Checked(_redis_url), Meta(examples=["redis://redis:6379/0"])] = None
    rate_quota: Annotated[int, Meta(ge=0, le=1_000_000, examples=["6000"])] = 6000
    rate_seconds: Annotated[float, Meta(gt=0, le=86_400, examples=["60"])] = 60
    request_seconds: Annotated[float, Meta(gt=0, le=600, examples=["30"])] = 30
    clock_starts_at: Annotated[Instant | None, Meta(examples=["2025-03-01T09:00:00Z"])] = None
    code_revision: Annotated[str | None, Meta(examples=["3f2a9c1"])] = None
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(examples=["INFO"])] = "INFO"

    def __repr__(self) -> str:
        """The class alone: URLs may hold passwords."""
        return f"{type(self).__name__}(…)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []

    @property
    def s3(self) -> S3Access | None:
        """How the bucket is reached; None without keys."""
        if self.aws_access_key_id is None or self.aws_secret_access_key is None:
            return None
        secret = self.aws_secret_access_key.reveal()
        return S3Access(self.aws_endpoint_url, self.aws_access_key_id, secret, self.aws_default_region)

    @property
    def longest_seconds(self) -> float:
        """How long the longest of what the function does may take."""
        return self.request_seconds

    @property
    def drain_seconds(self) -> float:
        """What the function has begun gets so long at its end: it ends, or answers that it took too long."""
        return self.longest_seconds + _ANSWERING

    @property
    def patience(self) -> Patience:
        """With the database."""
        seconds = min(_DATABASE_SECONDS, self.request_seconds)
        return _patience(seconds, seconds)


def _patience(shortest: float, longest: float) -> Patience:
    """For work that may take so many seconds: it is told that the database kept it waiting, before it is given up."""
    return Patience(lock=min(0.8 * shortest, _LONGEST_WAIT), statement=longest, idle=longest + _LONGEST_WAIT)


class PredictSyncSettings(Settings, frozen=True, kw_only=True):
    """Of `functions.predict_sync`."""


class LookupSettings(Settings, frozen=True, kw_only=True):
    """Of `functions.lookup`."""


class EventSettings(Settings, frozen=True, kw_only=True):
    """What every function that takes events reads.

    Attributes:
        handler_seconds: how long the handling of an event may take; the Trigger's timeout is longer.
    """

    handler_seconds: Annotated[float, Meta(gt=0, le=600, examples=["25"])] = 25

    @property
    def longest_seconds(self) -> float:
        return max(self.request_seconds, self.handler_seconds)

    @property
    def patience(self) -> Patience:
        return _patience(self.handler_seconds, self.handler_seconds)


class PublishingSettings(EventSettings, frozen=True, kw_only=True):
    """What a function that publishes on its own reads.

    Attributes:
        sink: the broker's address, in K_SINK.
    """

    sink: Annotated[
        str,
        Checked(_http_url),
        Meta(examples=["http://inference-broker-ingress.matchcast.svc.cluster.local"]),
    ] = msgspec.field(name="K_SINK")


class PredictAsyncSettings(PublishingSettings, frozen=True, kw_only=True):
    """Of `functions.predict_async`.

    Attributes:
        renewal_seconds: how long renewing all forecasts may take.
        task_hours: how long a task's status can be asked for.
    """

    renewal_seconds: Annotated[float, Meta(gt=0, le=600, examples=["150"])] = 150
    task_hours: Annotated[float, Meta(gt=0, le=24 * 30, examples=["24"])] = 24

    @property
    def longest_seconds(self) -> float:
        return max(super().longest_seconds, self.renewal_seconds)

    @property
    def patience(self) -> Patience:
        both = self.handler_seconds, self.renewal_seconds
        return _patience(min(both), max(both))


class ScrapeSettings(PublishingSettings, frozen=True, kw_only=True):
    """Of `functions.scrape`.

    Attributes:
        task_hours: how long a task's status can be asked for.
        football_data_url: where football-data.co.uk's files are; none, and the source is not configured.
        demo_wheel: the path of the demo's package, or `download` to fetch it with uv or pip; none, and the source demo
            is not configured.
        openfootball_url: where openfootball's JSON files are; none, and the source is not configured.
        whoscored_url: WhoScored's site. Its robots.txt and terms are the operator's to read: without this and a contact
            the source is not configured.
        contact: an address or page by which sites can reach the operator; sent with every request.
        file_seconds: mean pause between two requests for files over plain HTTP.
        whoscored_seconds: mean pause between two requests of WhoScored.
        browser_url: a Selenium Grid or Selenoid hub; none for a headless Chromium beside the function.
        cool_down_hours: how long a source that turns us away is left alone, if it does not say itself.
    """

    handler_seconds: Annotated[float, Meta(gt=0, le=600, examples=["270"])] = 270
    football_data_url: Annotated[str | None, Checked(_http_url), Meta(examples=["https://www.football-data.co.uk"])] = (
        None
    )
    demo_wheel: Annotated[
        str | None, Checked(_wheel), Meta(examples=["/data/premier_league-1.0.4-py3-none-any.whl", DOWNLOAD])
    ] = None
    openfootball_url: Annotated[
        str | None,
        Checked(_http_url),
        Meta(examples=["https://raw.githubusercontent.com/openfootball/football.json/master"]),
    ] = None
    whoscored_url: Annotated[str | None, Checked(_http_url), Meta(examples=["https://www.whoscored.com"])] = None
    contact: Annotated[str | None, Checked(_contact), Meta(examples=["ops@example.org"])] = None
    file_seconds: Annotated[float, Meta(ge=0, le=600, examples=["1"])] = 1
    whoscored_seconds: Annotated[float, Meta(ge=0, le=600, examples=["4"])] = 4
    browser_url: Annotated[str | None, Checked(_http_url), Meta(examples=["http://selenium-hub:4444/wd/hub"])] = None
    cool_down_hours: Annotated[float, Meta(gt=0, le=24 * 30, examples=["12"])] = 12
    task_hours: Annotated[float, Meta(gt=0, le=24 * 30, examples=["168"])] = 24 * 7


class DriftSettings(EventSettings, frozen=True, kw_only=True):
    """Of `functions.drift`.

    Attributes:
        drift_threshold: share of the features that may drift before it is said so.
        drift_days: how many days back the recent matches reach.
        retention_days: how long expired tasks, records of handled events and replayed letters are kept; longer than a
            broker may deliver an event again.
    """

    handler_seconds: Annotated[float, Meta(gt=0, le=600, examples=["150"])] = 150
    drift_threshold: Annotated[float, Meta(ge=0, le=1, examples=["0.2"])] = 0.2
    drift_days: Annotated[int, Meta(ge=1, le=365, examples=["28"])] = 28
    retention_days: Annotated[int, Meta(ge=7, le=3650, examples=["30"])] = 30


class ReloadSettings(PublishingSettings, frozen=True, kw_only=True):
    """Of `functions.reload`.

    Attributes:
        hook_token: what MinIO sends as `Authorization: Bearer …`.
    """

    hook_token: Annotated[Secret, Checked(_token), Meta(examples=["one word of 16 characters or more"])]


class DeadletterSettings(EventSettings, frozen=True, kw_only=True):
    """Of `functions.deadletter`: where letters are replayed.

    Attributes:
        queues_url: RabbitMQ's management API, or where the local runtime tells of its queues; none, and how long
            queues are is not told.
    """

    ingest_broker_url: Annotated[
        str, Checked(_http_url), Meta(examples=["http://ingest-broker-ingress.matchcast.svc.cluster.local"])
    ]
    inference_broker_url: Annotated[
        str, Checked(_http_url), Meta(examples=["http://inference-broker-ingress.matchcast.svc.cluster.local"])
    ]
    queues_url: Annotated[
        str | None, Checked(_http_url), Meta(examples=["http://rabbitmq.matchcast.svc.cluster.local:15672"])
    ] = None


S = TypeVar("S", bound=Settings)


def read_settings(kind: type[S], environment: Mapping[str, str]) -> S:
    """The settings in an environment; an empty variable counts as unset.

    Raises:
        BadInput: one message that lists every variable at fault, with an example.
    """
    examples = {field.encode_name: _example(field.type) for field in msgspec.structs.fields(kind)}
    given = {name: environment[name] for name in examples if environment.get(name)}
    faults = list(_keys_missing(given))
    settings = None
    try:
        settings = read_fields(kind, given, texts=True)
    except BadFields as error:
        faults += error.faults
    if settings is None or faults:
        faults.sort(key=lambda fault: list(examples).index(fault.field))
        lines = [f"{name}: {detail}; for example {examples[name]}" for name, detail in faults]
        raise BadInput("the environment is not right:\n  " + "\n  ".join(lines))
    return settings


def _keys_missing(given: Mapping[str, str]) -> list[Fault]:
    if not _BUCKET.fullmatch(given.get("MATCHCAST_OBJECTS_URL", "")):
        return []
    return [
        Fault(name, "is missing, and MATCHCAST_OBJECTS_URL is a bucket")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        if name not in given
    ]


def _example(kind: object) -> str:
    return next(str(meta.examples[0]) for meta in get_args(kind) if isinstance(meta, Meta) and meta.examples)
