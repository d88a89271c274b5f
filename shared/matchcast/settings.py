"""What each function needs from the environment, checked when it starts."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo

from matchcast.adapters.database.patience import Patience
from matchcast.adapters.objects import S3Access
from matchcast.errors import BadInput

PREFIX: Final = "MATCHCAST_"
_BUCKET: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]+(/[^/?#]+)*/?")
_DATABASE: Final = re.compile(
    r"sqlite://(/.*)?"
    r"|(postgresql|postgresql\+psycopg|postgres)://([^:/@]*(:[^@]*)?@)?(\[[0-9a-fA-F:.]+\]|[^][/?:@]*)(:[0-9]{1,5})?([/?].*)?"
)
_LARGEST_PORT: Final = 65_535
_REQUEST_SECONDS: Final = 10.0
_LONGEST_WAIT: Final = 30.0


def _objects_url(value: str) -> str:
    is_folder = not urlsplit(value).scheme and bool(value.strip())
    if not is_folder and not value.startswith("file:///") and not _BUCKET.fullmatch(value):
        raise ValueError("only a folder path, a file:/// URL or s3://bucket[/prefix] is supported")
    return value


def _database_url(value: str) -> str:
    """Told at the start, and without quoting it: it holds a password."""
    if not value.startswith(("sqlite:", "postgresql:", "postgresql+psycopg:", "postgres:")):
        raise ValueError("only sqlite: and postgresql: URLs are supported")
    if not _DATABASE.fullmatch(value):
        raise ValueError("is no URL of a database; special characters in a password are written as %xx")
    return value


def _http_url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("only http:// and https:// URLs are supported")
    try:
        parts = urlsplit(value)
        reachable = bool(parts.hostname) and 0 < (parts.port or 80) <= _LARGEST_PORT
    except ValueError:  # of what it quotes, some may be a password
        reachable = False
    if not reachable or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("has no host, or a port that is none")
    return value


K = TypeVar("K", str | None, SecretStr | None)


class Settings(BaseModel):
    """What every serving function reads; a field `x` is the variable MATCHCAST_X, unless it has an alias.

    Attributes:
        objects_url: a folder, or a bucket; for a bucket, the aws_ ones say how to reach it, as for any S3 client.
        aws_endpoint_url: of MinIO; none for Amazon's.
        cache_dir: where copies of objects are kept; on a read-only file system, a writable mount.
        clock_starts_at: the process's clock starts there and runs on, for demos on past matches.
        code_revision: recorded with each forecast; by default git's, where this runs from a checkout.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    database_url: Annotated[str, AfterValidator(_database_url)] = Field(
        "sqlite:///var/matchcast.db",
        examples=["sqlite:///var/matchcast.db", "postgresql://user@host/matchcast"],
        repr=False,
    )
    objects_url: Annotated[str, AfterValidator(_objects_url)] = Field(
        "var/objects", min_length=1, examples=["var/objects", "file:///srv/matchcast/objects", "s3://matchcast"]
    )
    aws_endpoint_url: Annotated[str, AfterValidator(_http_url)] | None = Field(
        None, alias="AWS_ENDPOINT_URL", examples=["http://minio.minio.svc.cluster.local:9000"]
    )
    aws_access_key_id: str | None = Field(
        None, alias="AWS_ACCESS_KEY_ID", validate_default=True, examples=["matchcast"]
    )
    aws_secret_access_key: SecretStr | None = Field(
        None, alias="AWS_SECRET_ACCESS_KEY", validate_default=True, examples=["the key that belongs to the id"]
    )
    aws_default_region: str = Field("us-east-1", alias="AWS_DEFAULT_REGION", examples=["eu-central-1"])
    cache_dir: Path = Field(Path("var/cache"), examples=["var/cache"])
    clock_starts_at: AwareDatetime | None = Field(None, examples=["2025-03-01T09:00:00Z"])
    code_revision: str | None = Field(None, min_length=1, examples=["3f2a9c1"])
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = Field("INFO", examples=["INFO"])

    @field_validator("aws_access_key_id", "aws_secret_access_key")
    @classmethod
    def _given_for_a_bucket(cls, value: K, info: ValidationInfo) -> K:
        if value is None and info.data.get("objects_url", "").startswith("s3://"):
            raise ValueError("is missing, and MATCHCAST_OBJECTS_URL is a bucket")
        return value

    @property
    def s3(self) -> S3Access | None:
        """How the bucket is reached; None without keys."""
        if self.aws_access_key_id is None or self.aws_secret_access_key is None:
            return None
        secret = self.aws_secret_access_key.get_secret_value()
        return S3Access(self.aws_endpoint_url, self.aws_access_key_id, secret, self.aws_default_region)

    @property
    def patience(self) -> Patience:
        """With the database."""
        return _patience(_REQUEST_SECONDS, _REQUEST_SECONDS)


def _patience(shortest: float, longest: float) -> Patience:
    """For work that may take so many seconds: it is told that the database kept it waiting, before it is given up."""
    return Patience(lock=min(0.8 * shortest, _LONGEST_WAIT), statement=longest, idle=longest + _LONGEST_WAIT)


class PredictSyncSettings(Settings):
    """Of `functions.predict_sync`."""


class LookupSettings(Settings):
    """Of `functions.lookup`."""


class EventSettings(Settings):
    """What every function that takes events reads.

    Attributes:
        handler_seconds: how long the handling of an event may take; the Trigger's timeout is longer.
    """

    handler_seconds: Annotated[float, Field(gt=0, le=600)] = Field(25, examples=["25"])

    @property
    def patience(self) -> Patience:
        return _patience(self.handler_seconds, self.handler_seconds)


class PublishingSettings(EventSettings):
    """What a function that publishes on its own reads.

    Attributes:
        sink: the broker's address, in K_SINK.
    """

    sink: Annotated[str, AfterValidator(_http_url)] = Field(
        alias="K_SINK", examples=["http://inference-broker-ingress.matchcast.svc.cluster.local"]
    )


class PredictAsyncSettings(PublishingSettings):
    """Of `functions.predict_async`.

    Attributes:
        renewal_seconds: how long renewing all forecasts may take.
        task_hours: how long a task's status can be asked for.
    """

    renewal_seconds: Annotated[float, Field(gt=0, le=600)] = Field(150, examples=["150"])
    task_hours: Annotated[float, Field(gt=0, le=24 * 30)] = Field(24, examples=["24"])

    @property
    def patience(self) -> Patience:
        both = self.handler_seconds, self.renewal_seconds
        return _patience(min(both), max(both))


class ScrapeSettings(PublishingSettings):
    """Of `functions.scrape`.

    Attributes:
        task_hours: how long a task's status can be asked for.
        football_data_url: where football-data.co.uk's files are; none, and the source is not configured.
        demo_wheel: the file of the demo's package, or `download` to fetch it with uv or pip; none, and the source demo
            is not configured.
    """

    handler_seconds: Annotated[float, Field(gt=0, le=600)] = Field(270, examples=["270"])
    football_data_url: Annotated[str, AfterValidator(_http_url)] | None = Field(
        None, examples=["https://www.football-data.co.uk"]
    )
    demo_wheel: FilePath | Literal["download"] | None = Field(
        None, examples=["/data/premier_league-1.0.4-py3-none-any.whl", "download"]
    )
    task_hours: Annotated[float, Field(gt=0, le=24 * 30)] = Field(24 * 7, examples=["168"])


class DriftSettings(EventSettings):
    """Of `functions.drift`.

    Attributes:
        drift_threshold: share of the features that may drift before it is said so.
        drift_days: how many days back the recent matches reach.
        retention_days: how long expired tasks, records of handled events and replayed letters are kept; longer than a
            broker may deliver an event again.
    """

    handler_seconds: Annotated[float, Field(gt=0, le=600)] = Field(150, examples=["150"])
    drift_threshold: Annotated[float, Field(ge=0, le=1)] = Field(0.2, examples=["0.2"])
    drift_days: Annotated[int, Field(ge=1, le=365)] = Field(28, examples=["28"])
    retention_days: Annotated[int, Field(ge=7, le=3650)] = Field(30, examples=["30"])


class ReloadSettings(PublishingSettings):
    """Of `functions.reload`.

    Attributes:
        hook_token: what MinIO sends as `Authorization: Bearer …`.
    """

    hook_token: SecretStr = Field(min_length=16, examples=["one word of 16 characters or more"])


class DeadletterSettings(EventSettings):
    """Of `functions.deadletter`: where letters are replayed."""

    ingest_broker_url: Annotated[str, AfterValidator(_http_url)] = Field(
        examples=["http://ingest-broker-ingress.matchcast.svc.cluster.local"]
    )
    inference_broker_url: Annotated[str, AfterValidator(_http_url)] = Field(
        examples=["http://inference-broker-ingress.matchcast.svc.cluster.local"]
    )


S = TypeVar("S", bound=Settings)


def read_settings(kind: type[S], environment: Mapping[str, str]) -> S:
    """The settings in an environment; an empty variable counts as unset.

    Raises:
        BadInput: one message that lists every variable at fault, with an example.
    """
    fields = kind.model_fields
    given = {f.alias or name: environment.get(variable_of(name, f), "") for name, f in fields.items()}
    try:
        return kind.model_validate({name: value for name, value in given.items() if value})
    except ValidationError as error:
        named = {known: (name, f) for name, f in fields.items() for known in (f.alias, name) if known}
        faults = []
        for fault in error.errors():
            name, field = named[str(fault["loc"][0])]
            example = (field.examples or [""])[0]
            faults.append(f"{variable_of(name, field)}: {_reason(fault)}; for example {example}")
        raise BadInput("the environment is not right:\n  " + "\n  ".join(faults)) from error


def variable_of(name: str, field: FieldInfo) -> str:
    """The environment variable of a settings class's field."""
    return field.alias or PREFIX + name.upper()


def _reason(fault: Mapping[str, Any]) -> str:
    return "is missing" if fault["type"] == "missing" else str(fault["msg"]).removeprefix("Value error, ")
