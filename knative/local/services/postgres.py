"""A private PostgreSQL server with its own folder, its own free port, gone afterwards."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from matchcast.errors import Unavailable


class Postgres:
    """A running server; `url` is it without a database."""

    def __init__(self, url: str, control: Sequence[str], options: str) -> None:
        self.url: Final = url
        self._control = control
        self._options = options

    def start(self) -> None:
        _run([*self._control, "-o", self._options, "start"])

    def kill(self) -> None:
        """Stop it as a crash would: no client is waited for, nothing is tidied up."""
        _run([*self._control, "-m", "immediate", "stop"])

    def freeze(self) -> None:
        """Let it hold its connections and answer nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, which: signal.Signals) -> None:
        folder = Path(self._control[self._control.index("-D") + 1])
        main = int((folder / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for process in (main, *map(int, children)):
            os.kill(process, which)


@contextmanager
def private_postgres(fsync: bool = False) -> Iterator[Postgres]:
    """A running server.

    Args:
        fsync: whether what is committed survives more than the server's own crash.
    """
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="matchcast-pg-"))
    prefix: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        prefix = ["runuser", "-u", "postgres", "--"]
    data = folder / "data"
    port = _free_port()
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync={'on' if fsync else 'off'}"
    control = [*prefix, str(binaries / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log")]
    server = Postgres(f"postgresql://app@127.0.0.1:{port}", control, options)
    try:
        _run(
            [*prefix, str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "app", "--no-sync", "-E", "UTF8"]
        )
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not versions:
        raise Unavailable("PostgreSQL's server is missing: install it with `apt-get install postgresql`")
    return versions[-1].parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(command)} failed: {done.stderr or done.stdout}")
