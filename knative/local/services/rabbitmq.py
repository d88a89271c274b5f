"""A private RabbitMQ node with its own folder, ports and cookie."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from knative.local.services.program import MARK, Program, answers, free_ports, listens, own, run_as
from matchcast.errors import Unavailable

PROGRAMS: Final = Path("/usr/lib/rabbitmq/bin")
START_SECONDS: Final = 90.0
GUEST: Final = "guest"
_OWNER: Final = "rabbitmq"


class Ports(NamedTuple):
    """Of one node."""

    amqp: int
    distribution: int
    epmd: int
    management: int


class Rabbitmq:
    """A node that can be stopped, killed and started again on the same data and port.

    Args:
        name: of the node; its data are known by it.
        password: of its one user, guest.
        managed: whether its management API is there from the start.

    Attributes:
        url: where clients connect.
        management_url: of the management API, once it is enabled.
    """

    def __init__(self, folder: Path, ports: Ports, name: str, password: str = GUEST, *, managed: bool = False) -> None:
        self._folder = folder
        self._ports = ports
        self._password = password
        self.url: Final = f"amqp://{GUEST}:{password}@127.0.0.1:{ports.amqp}/"
        self.management_url: Final = f"http://{GUEST}:{password}@127.0.0.1:{ports.management}"
        self._environment: Mapping[str, str] = {
            **{name: value for name, value in os.environ.items() if name == MARK},
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"{name}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(ports.amqp),
            "RABBITMQ_DIST_PORT": str(ports.distribution),
            "ERL_EPMD_PORT": str(ports.epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "absent"),
            # two cores are shared with whoever uses it
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
            # queues are shown as they were a moment ago, not five seconds
            "RABBITMQ_SERVER_START_ARGS": "-rabbit quorum_tick_interval 200 -rabbit collect_statistics_interval 200"
            f" -rabbitmq_management listener [{{port,{ports.management}}},{{ip,{{127,0,0,1}}}}]",
        }
        self.program: Final = Program("RabbitMQ", folder / "output", user=_OWNER)
        self._epmd = Program("epmd", folder / "output", user=_OWNER)
        self._manages = managed
        self._was_here = False

    def launch(self) -> None:
        """Start the node, on the data that are there.

        Raises:
            Unavailable: it is not installed, or cannot write in its folder.
        """
        if not (PROGRAMS / "rabbitmq-server").exists():
            raise Unavailable("RabbitMQ's server is missing: `make services` installs it")
        self._was_here = (self._folder / "data").exists()
        files = {
            "plugins": f"[{'rabbitmq_management' if self._manages else ''}].\n",
            "rabbitmq.conf": f"default_user = {GUEST}\ndefault_pass = {self._password}\n",
        }
        for name, content in files.items():
            (self._folder / name).touch(mode=0o600)
            (self._folder / name).write_text(content)
        own(_OWNER, self._folder, *(self._folder / name for name in files))
        (self._folder / "pid").unlink(missing_ok=True)  # of another run; it may be anybody's by now
        if self._epmd.pid is None:  # started by the node it would outlive it
            command = ("epmd", "-port", str(self._ports.epmd), "-address", "127.0.0.1")
            self._epmd.launch(command, self._environment, self._folder)
            self._epmd.wait_until(lambda: listens(self._ports.epmd), START_SECONDS)
        self.program.launch([PROGRAMS / "rabbitmq-server"], self._environment, self._folder)

    def wait(self) -> None:
        """Wait until it takes connections, and its queues have leaders."""
        self.program.wait_until(lambda: listens(self._ports.amqp), START_SECONDS)
        if self._was_here:
            # a lone quorum queue of RabbitMQ 3.10 may wait for ever to be asked for by its leader, which it is itself
            self.ctl("eval", "[ra:trigger_election(amqqueue:get_pid(Q)) || Q <- rabbit_amqqueue:list()].")
        if self._manages:
            overview = f"http://127.0.0.1:{self._ports.management}/"
            self.program.wait_until(lambda: answers(overview), START_SECONDS)

    def start(self) -> None:
        self.launch()
        self.wait()

    def stop(self) -> None:
        """Stop the node in good order."""
        with suppress(FileNotFoundError, ProcessLookupError, ValueError):
            if self.program.pid is not None:  # what was started is a shell, which takes its time
                os.kill(int((self._folder / "pid").read_text()), signal.SIGTERM)
        self.program.stop()
        self._wait_until_refused()

    def kill(self) -> None:
        """Stop the node at once (SIGKILL)."""
        self.program.kill()
        self._wait_until_refused()

    def close(self) -> None:
        """Stop everything at once."""
        self.kill()
        self._epmd.kill()

    def shut(self) -> None:
        """Stop everything in good order."""
        self.stop()
        self._epmd.stop()

    def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl --quiet ARGUMENTS` says."""
        return self._run("rabbitmqctl", *arguments)

    def management(self) -> str:
        """The URL of the management API; its plugin is enabled with the first call."""
        if not self._manages:
            self._run("rabbitmq-plugins", "enable", "rabbitmq_management")
            self._manages = True
        return self.management_url

    def queues(self) -> dict[str, tuple[int, int]]:
        """Messages (ready and unacknowledged) and consumers of each queue."""
        lines = self.ctl("list_queues", "--no-table-headers", "name", "messages", "consumers").splitlines()
        rows = [line.split("\t") for line in lines if line.count("\t") == 2]
        return {name: (int(messages or 0), int(consumers or 0)) for name, messages, consumers in rows}

    def _run(self, program: str, *arguments: str) -> str:
        return run_as(_OWNER, [PROGRAMS / program, "--quiet", *arguments], self._environment, self._folder)

    def _wait_until_refused(self) -> None:
        while listens(self._ports.amqp):
            time.sleep(0.02)


@contextmanager
def private_rabbitmq() -> Iterator[Rabbitmq]:
    """A running node, gone afterwards; user and password are guest."""
    folder = Path(tempfile.mkdtemp(prefix="matchcast-rabbitmq-"))
    node = Rabbitmq(folder, Ports(*free_ports(4)), f"test{os.getpid()}")
    try:
        node.start()
        yield node
    finally:
        node.close()
        shutil.rmtree(folder, ignore_errors=True)
