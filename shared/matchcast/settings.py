"""What each function needs from the environment, checked when it starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from matchcast.errors import BadInput

PREFIX: Final = "MATCHCAST_"


def _folder_url(value: str) -> str:
    if "://" in value and not value.startswith("file:///"):
        raise ValueError("only a folder path or a file:/// URL is supported")
    return value


def _database_url(value: str) -> str:
    if not value.startswith(("sqlite:", "postgresql:", "postgresql+psycopg:", "postgres:")):
        raise ValueError("only sqlite: and postgresql: URLs are supported")
    return value


class Settings(BaseModel):
    """What every serving function reads; a field `x` is the variable MATCHCAST_X.

    Attributes:
        cache_dir: where copies of objects are kept; on a read-only file system, a writable mount.
        clock_starts_at: the process's clock starts there and runs on, for demos on past matches.
        code_revision: recorded with each forecast; by default git's, where this runs from a checkout.
    """

    model_config = ConfigDict(frozen=True)

    database_url: Annotated[str, AfterValidator(_database_url)] = Field(
        "sqlite:///var/matchcast.db", examples=["sqlite:///var/matchcast.db", "postgresql://user@host/matchcast"]
    )
    objects_url: Annotated[str, AfterValidator(_folder_url)] = Field(
        "var/objects", min_length=1, examples=["var/objects", "file:///srv/matchcast/objects"]
    )
    cache_dir: Path = Field(Path("var/cache"), examples=["var/cache"])
    clock_starts_at: AwareDatetime | None = Field(None, examples=["2025-03-01T09:00:00Z"])
    code_revision: str | None = Field(None, min_length=1, examples=["3f2a9c1"])
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = Field("INFO", examples=["INFO"])


class PredictSyncSettings(Settings):
    """Of `functions.predict_sync`."""


class LookupSettings(Settings):
    """Of `functions.lookup`."""


S = TypeVar("S", bound=Settings)


def read_settings(kind: type[S], environment: Mapping[str, str]) -> S:
    """The settings in an environment; an empty variable counts as unset.

    Raises:
        BadInput: one message that lists every variable at fault, with an example.
    """
    given = {name: environment.get(PREFIX + name.upper(), "") for name in kind.model_fields}
    try:
        return kind.model_validate({name: value for name, value in given.items() if value})
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            name = str(fault["loc"][0])
            example = (kind.model_fields[name].examples or [""])[0]
            faults.append(f"{PREFIX}{name.upper()}: {_reason(fault['msg'])}; for example {example}")
        raise BadInput("the environment is not right:\n  " + "\n  ".join(faults)) from error


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ")
