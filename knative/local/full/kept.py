"""What stays in the folder of a full system between two runs."""

import fcntl
import json
import os
import random
import secrets
import shlex
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec

from matchcast.errors import BadInput, Conflict, Unavailable

PORTS: Final = (
    "front", "postgres", "amqp", "distribution", "epmd", "management", "redis", "minio", "console", "mlflow",
    "prometheus", "airflow",
)  # fmt: skip
SECRETS: Final = ("postgres", "rabbitmq", "redis", "minio", "hook", "airflow")
USUAL_PORT: Final = 8080
_PORTS: Final = range(20_000, 32_768)
"""Below those that Linux gives to outgoing connections: what is free once is so the next time."""


class Kept(NamedTuple):
    """What was chosen once.

    Attributes:
        ports: by name.
        secrets: words that the servers ask for, by name.
        key: the first API key's text, once it is made.
        airflow_key: likewise, of Airflow's.
    """

    ports: Mapping[str, int]
    secrets: Mapping[str, str]
    key: str | None
    airflow_key: str | None = None


class _State(msgspec.Struct):
    """`state.json`."""

    ports: dict[str, int] = msgspec.field(default_factory=dict)
    secrets: dict[str, str] = msgspec.field(default_factory=dict)
    key: str | None = None
    airflow_key: str | None = None


class _Up(msgspec.Struct):
    """`run.json`."""

    pid: int
    addresses: dict[str, str]


T = TypeVar("T")


def settle(folder: Path, port: int | None) -> Kept:
    """Read what is kept, and choose what is not yet; a port that somebody else took meanwhile is chosen anew.

    Args:
        port: where the functions answer; None for what is kept, at first 8080 if it is free.
    Raises:
        BadInput: what is kept cannot be read.
        Unavailable: that port is taken.
    """
    known = _state(folder)
    ports = dict(known.ports)
    if port is not None:
        if not _is_free(port):
            raise Unavailable(f"port {port} is taken by another program: give another one, or none")
        ports["front"] = port
    elif "front" not in ports and _is_free(USUAL_PORT):
        ports["front"] = USUAL_PORT
    for name in PORTS:
        if name not in ports or not _is_free(ports[name]):
            ports[name] = _free_port(set(ports.values()))
    words = {name: known.secrets.get(name) or secrets.token_hex(16) for name in SECRETS}
    kept = Kept(ports, words, known.key, known.airflow_key)
    keep(folder, kept)
    return kept


def keep(folder: Path, kept: Kept) -> None:
    """Write it for its owner alone, whole or not at all."""
    _write(folder / "state.json", json.dumps(kept._asdict(), indent=2))


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The right to run the system in this folder, for one process at a time; it ends with the process.

    Raises:
        Conflict: another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"it is up already (process {holder(folder)}); `matchcast down-full` ends it") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield
        finally:
            (folder / "run.json").unlink(missing_ok=True)
            lock.truncate(0)


def holder(folder: Path) -> int | None:
    """The process that runs the system, if one does."""
    try:
        with (folder / "lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read() or 0) or None
    except FileNotFoundError:
        pass
    return None


def tell_up(folder: Path, addresses: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Write that everything is up, and `env`, by which a shell works on it."""
    lines = (f"export {name}={shlex.quote(value)}\n" for name, value in sorted(environment.items()))
    _write(folder / "env", "".join(lines))
    _write(folder / "run.json", json.dumps({"pid": os.getpid(), "addresses": addresses}))


def told_up(folder: Path) -> Mapping[str, str] | None:
    """The addresses, if everything is up."""
    told = _read(folder / "run.json", _Up, "`matchcast down-full` ends what runs; then remove the file")
    return told.addresses if told is not None and told.pid == holder(folder) else None


def first_key(folder: Path) -> str | None:
    """The first API key's text, once it is made."""
    return _state(folder).key


def _state(folder: Path) -> _State:
    remedy = "it holds the servers' passwords: restore it from a copy, or begin anew in another folder"
    return _read(folder / "state.json", _State, remedy) or _State()


def _read(file: Path, kind: type[T], remedy: str) -> T | None:
    """What the file holds; None if there is none.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # msgspec's are ValueErrors
        raise BadInput(f"{file} cannot be read ({error}); {remedy}") from error


def _write(file: Path, text: str) -> None:
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(file)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port(but: set[int]) -> int:
    candidates = random.sample(_PORTS, len(_PORTS))
    return next(port for port in candidates if port not in but and _is_free(port))
