"""A private RabbitMQ node with its own folder, ports and cookie, gone afterwards."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from matchcast.errors import Unavailable

PROGRAMS: Final = Path("/usr/lib/rabbitmq/bin")
START_SECONDS: Final = 90.0
_OWNER: Final = "rabbitmq"


class Rabbitmq:
    """A node that can be stopped, killed and started again on the same data and port.

    Attributes:
        url: where clients connect.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        amqp, distribution, self._epmd_port, self._management_port = _free_ports(4)
        self._port = amqp
        self.url: Final = f"amqp://guest:guest@127.0.0.1:{amqp}/"
        self._environment: Mapping[str, str] = {
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"test{os.getpid()}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(amqp),
            "RABBITMQ_DIST_PORT": str(distribution),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "absent"),
            # two cores are shared with the tests
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
            # queues are shown as they were a moment ago, not five seconds
            "RABBITMQ_SERVER_START_ARGS": "-rabbit quorum_tick_interval 200 -rabbit collect_statistics_interval 200"
            f" -rabbitmq_management listener [{{port,{self._management_port}}},{{ip,{{127,0,0,1}}}}]",
        }
        self._node: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        self._killed = False
        self._manages = False

    def start(self) -> None:
        """Start the node and wait until it takes connections."""
        if self._epmd is None:  # started by the node it would outlive it
            self._epmd = self._spawn("epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1")
            _wait_for_port(self._epmd_port, self._epmd, START_SECONDS)
        self._node = self._spawn(str(PROGRAMS / "rabbitmq-server"))
        if not _wait_for_port(self._port, self._node, START_SECONDS):
            raise Unavailable(f"RabbitMQ did not start: {(self._folder / 'output').read_text()[-2000:]}")
        if self._killed:
            # a lone quorum queue of RabbitMQ 3.10 may wait for ever to be asked for by its leader, which it is itself
            self.ctl("eval", "[ra:trigger_election(amqqueue:get_pid(Q)) || Q <- rabbit_amqqueue:list()].")
            self._killed = False

    def stop(self) -> None:
        """Stop the node in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Stop the node at once (SIGKILL)."""
        self._end(signal.SIGKILL)
        self._killed = True

    def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl --quiet ARGUMENTS` says."""
        return self._run("rabbitmqctl", *arguments)

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [*_as_owner(), str(PROGRAMS / program), "--quiet", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder,
        )
        if done.returncode != 0:
            raise Unavailable(f"{program} {' '.join(arguments)} failed: {done.stderr or done.stdout}")
        return done.stdout

    def management(self) -> str:
        """The URL of the management API; its plugin is enabled with the first call."""
        if not self._manages:
            self._run("rabbitmq-plugins", "enable", "rabbitmq_management")
            self._manages = True
        return f"http://guest:guest@127.0.0.1:{self._management_port}"

    def queues(self) -> dict[str, tuple[int, int]]:
        """Messages (ready and unacknowledged) and consumers of each queue."""
        lines = self.ctl("list_queues", "--no-table-headers", "name", "messages", "consumers").splitlines()
        rows = [line.split("\t") for line in lines if line.count("\t") == 2]
        return {name: (int(messages or 0), int(consumers or 0)) for name, messages, consumers in rows}

    def close(self) -> None:
        """Stop everything."""
        self.kill()
        if self._epmd is not None:
            _end_group(self._epmd, signal.SIGKILL)

    def _spawn(self, *command: str) -> "subprocess.Popen[bytes]":
        with (self._folder / "output").open("ab") as output:
            return subprocess.Popen(
                [*_as_owner(), *command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                start_new_session=True,
            )

    def _end(self, how: signal.Signals) -> None:
        if self._node is None:
            return
        if how is signal.SIGTERM:
            os.kill(int((self._folder / "pid").read_text()), signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._node.wait(30)
        _end_group(self._node, signal.SIGKILL)
        _wait_until_refused(self._port)
        self._node = None


@contextmanager
def private_rabbitmq() -> Iterator[Rabbitmq]:
    """A running node; user and password are guest."""
    if not (PROGRAMS / "rabbitmq-server").exists():
        raise Unavailable("RabbitMQ's server is missing: `make services` installs it")
    folder = Path(tempfile.mkdtemp(prefix="matchcast-rabbitmq-"))
    (folder / "plugins").write_text("[].\n")
    if os.geteuid() == 0:
        owner = pwd.getpwnam(_OWNER)
        for path in (folder, folder / "plugins"):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    node = Rabbitmq(folder)
    try:
        node.start()
        yield node
    finally:
        node.close()
        shutil.rmtree(folder, ignore_errors=True)


def _as_owner() -> list[str]:
    return ["runuser", "-u", _OWNER, "--"] if os.geteuid() == 0 else []


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _wait_for_port(port: int, process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def _wait_until_refused(port: int) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)


def _end_group(process: "subprocess.Popen[bytes]", how: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, how)
    process.wait()
