"""A private PostgreSQL server with its own folder and its own port."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg

from knative.local.services.program import Program, free_ports, inherited, own, run_as
from matchcast.errors import Unavailable

START_SECONDS: Final = 60.0
CONNECTIONS: Final = 300
"""At once; every function may hold 15, and Airflow its own."""
USER: Final = "app"
_OWNER: Final = "postgres"


class Postgres:
    """A server that can be stopped, killed, frozen and started again on the same data and port.

    Args:
        folder: of its own; what it holds is gone on with.
        password: of the user `app`; without one everybody on this machine is let in.
        fsync: whether what is committed survives more than the server's own crash.

    Attributes:
        url: where clients connect, without a database.
    """

    def __init__(self, folder: Path, port: int, password: str | None = None, *, fsync: bool = False) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._port = port
        self._password = password
        self._fsync = fsync
        self.url: Final = f"postgresql://{USER}{'' if password is None else f':{password}'}@127.0.0.1:{port}"
        self.program: Final = Program("PostgreSQL", folder / "log", user=_OWNER, ends=signal.SIGINT)

    def launch(self) -> None:
        """Start it, on new data where there are none.

        Raises:
            Unavailable: it is not installed, or cannot write in its folder.
        """
        binaries = _binaries()
        own(_OWNER, self._folder)
        if not (self._data / "PG_VERSION").exists():
            self._make(binaries / "initdb")
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        self.program.launch(
            [binaries / "postgres", "-D", self._data, "-p", str(self._port), "-c", "listen_addresses=127.0.0.1",
             "-c", f"unix_socket_directories={self._folder}", *_settings(self._fsync)],
            inherited("PG"), Path("/"),
        )  # fmt: skip

    def wait(self) -> None:
        """Wait until it takes connections."""
        self.program.wait_until(self._is_ready, START_SECONDS)

    def start(self) -> None:
        self.launch()
        self.wait()

    def stop(self) -> None:
        """Stop it in good order; no client is waited for."""
        self.program.stop()

    def kill(self) -> None:
        """Stop it as a crash would: no client is waited for, nothing is tidied up."""
        self.program.kill(signal.SIGQUIT)

    def freeze(self) -> None:
        """Let it hold its connections and answer nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, which: signal.Signals) -> None:
        main = self.program.pid
        assert main is not None
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for process in (main, *map(int, children)):
            os.kill(process, which)

    def _is_ready(self) -> bool:
        try:
            told = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(told) > 7 and told[7].strip() == "ready"

    def _make(self, initdb: Path) -> None:
        shutil.rmtree(self._data, ignore_errors=True)  # what was broken off
        word = self._folder / "password"
        word.touch(mode=0o600)
        word.write_text(self._password or "")
        own(_OWNER, word)
        access = ["-A", "trust"] if self._password is None else ["-A", "scram-sha-256", "--pwfile", word]
        durable = [] if self._fsync else ["--no-sync"]
        try:
            run_as(
                _OWNER,
                [initdb, "-D", self._data, "-U", USER, "-E", "UTF8", *access, *durable],
                inherited("PG"),
                Path("/"),
            )
        finally:
            word.unlink()


@contextmanager
def private_postgres(fsync: bool = False) -> Iterator[Postgres]:
    """A running server, gone afterwards.

    Args:
        fsync: whether what is committed survives more than the server's own crash.
    """
    folder = Path(tempfile.mkdtemp(prefix="matchcast-pg-"))
    server = Postgres(folder, free_ports(1)[0], fsync=fsync)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_database(server: str, template: str = "template1") -> Iterator[str]:
    """The URL of a new database, dropped afterwards.

    Args:
        server: URL without a database.
        template: the database whose tables and rows it begins with.
    """
    name = f"fresh_{uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY".encode())
    yield f"{server}/{name}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _settings(fsync: bool) -> list[str]:
    given = [f"max_connections={CONNECTIONS}", *(["fsync=on"] if fsync else ["fsync=off", "max_wal_size=128MB"])]
    return [word for setting in given for word in ("-c", setting)]


def _binaries() -> Path:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not versions:
        raise Unavailable("PostgreSQL's server is missing: install it with `apt-get install postgresql`")
    return versions[-1].parent
