"""A private Redis server with its own folder and its own port."""

import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from knative.local.services.program import Program, free_ports, inherited
from matchcast.errors import Unavailable

START_SECONDS: Final = 15.0


class RedisServer:
    """A server that can be stopped, frozen and started again on the same port; what it held is gone then.

    Attributes:
        url: where clients connect.
    """

    def __init__(self, folder: Path, port: int, password: str | None = None) -> None:
        self._folder = folder
        self._port = port
        self._password = password
        self.url: Final = f"redis://{'' if password is None else f':{password}@'}127.0.0.1:{port}/0"
        self.program: Final = Program("Redis", folder / "log")

    def launch(self, *options: str) -> None:
        """Start it, with further options of `redis-server`.

        Raises:
            Unavailable: it is not installed.
        """
        server = shutil.which("redis-server")
        if server is None:
            raise Unavailable("Redis's server is missing: `make services` installs it")
        configuration = self._folder / "redis.conf"
        configuration.touch(mode=0o600)
        lines = ["set-proc-title no"]  # it is told apart by its environment, which a title would be written over
        if self._password is not None:
            lines.append(f"requirepass {self._password}")
        configuration.write_text("\n".join(lines) + "\n")
        self.program.launch(
            [server, configuration, "--port", str(self._port), "--bind", "127.0.0.1", "--dir", self._folder,
             "--save", "", "--appendonly", "no", *options],
            inherited(), self._folder,
        )  # fmt: skip

    def wait(self) -> None:
        """Wait until it answers."""
        self.program.wait_until(self._is_ready, START_SECONDS)

    def start(self, *options: str) -> None:
        self.launch(*options)
        self.wait()

    def stop(self) -> None:
        self.program.stop()

    def kill(self) -> None:
        """Stop it at once (SIGKILL)."""
        self.program.kill()

    def freeze(self) -> None:
        """Let it hold its connections and answer nothing."""
        self.program.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.program.signal(signal.SIGCONT)

    def _is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return bool(connection.recv(64))
        except OSError:
            return False


@contextmanager
def private_redis() -> Iterator[RedisServer]:
    """A running server without data, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="matchcast-redis-"))
    server = RedisServer(folder, free_ports(1)[0])
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
