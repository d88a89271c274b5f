"""A server's process: started, waited for, ended."""

import os
import pwd
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError

from matchcast.errors import Unavailable

STOP_SECONDS: Final = 30.0
MARK: Final = "MATCHCAST_SERVERS_OF"
"""A variable that processes inherit and are known by."""
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_SHOWN: Final = 3000


class Program:
    """At most one process at a time, in a session of its own.

    Args:
        name: as people call it.
        log: what it prints is added there.
        user: who runs it where we are root, for servers that refuse to be root.
        ends: the signal on which it ends in good order.
    """

    def __init__(self, name: str, log: Path, *, user: str | None = None, ends: signal.Signals = signal.SIGTERM) -> None:
        self.name: Final = name
        self.log: Final = log
        self._user = user
        self._ends = ends
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = False

    @property
    def pid(self) -> int | None:
        """Of the process that runs."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    @property
    def code(self) -> int | None:
        """With which it ended by itself."""
        return None if self._process is None else self._process.poll()

    def launch(self, command: Sequence[str | Path], environment: Mapping[str, str], folder: Path) -> None:
        """Start it, without waiting for anything.

        Args:
            folder: it is started in.
        """
        self._asked = False
        with self.log.open("ab") as log, _undisturbed():
            self._process = subprocess.Popen(
                list(map(str, command)),
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **_identity(self._user),
            )

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """
        Raises:
            Unavailable: it ended, or is not ready after so many seconds.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if self.pid is None or time.monotonic() > deadline:
                raise Unavailable(f"{self.name} did not start: {self.last_words()}")
            time.sleep(0.03)

    def last_words(self) -> str:
        """The end of its log, and where the rest is."""
        return f"{self.log.read_text(errors='replace')[-_SHOWN:].strip()} (log in {self.log})"

    def ask_to_end(self) -> None:
        """Have it begin to end in good order, once."""
        if not self._asked:
            self.signal(self._ends)
        self._asked = True

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End it in good order, and what is left of its session after so many seconds."""
        self.ask_to_end()
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        self.kill()

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it at once, and its session with it.

        Args:
            how: a signal that ends the process itself at once, and leaves its children to it.
        """
        if self._process is None:
            return
        if how is not signal.SIGKILL:
            self.signal(how)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def signal(self, which: signal.Signals) -> None:
        """Send a signal to the process alone."""
        if self._process is not None:
            self._process.send_signal(which)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals to end wait for the end of the block: between fork and exec a process is not known by its environment."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    caught = [number for number, handler in before.items() if callable(handler)]
    for number in caught:
        signal.signal(number, lambda which, _: came.append(which))
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, before[number])
        for which in came:
            signal.raise_signal(which)


def run_as(user: str, command: Sequence[str | Path], environment: Mapping[str, str], folder: Path) -> str:
    """What a command prints that is run to its end, as another user where we are root.

    Raises:
        Unavailable: it fails.
    """
    done: subprocess.CompletedProcess[str] = subprocess.run(
        list(map(str, command)), env=dict(environment), cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, **_identity(user),
    )  # fmt: skip
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(map(str, command))} failed: {done.stderr or done.stdout}")
    return done.stdout


def _identity(user: str | None) -> dict[str, Any]:
    if user is None or os.geteuid() != 0:
        return {}
    known = pwd.getpwnam(user)
    return {"user": known.pw_uid, "group": known.pw_gid, "extra_groups": []}


def own(user: str, *paths: Path) -> None:
    """Give files and folders to the user that a server runs as, where we are root."""
    if os.geteuid() == 0:
        identity = pwd.getpwnam(user)
        for path in paths:
            os.chown(path, identity.pw_uid, identity.pw_gid)


def free_ports(count: int) -> list[int]:
    """So many that nobody listens on."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def listens(port: int) -> bool:
    """Whether somebody on this machine takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def answers(url: str) -> bool:
    """Whether a GET is answered with success."""
    try:
        with _DIRECT.open(url, timeout=2.0):
            return True
    except (URLError, OSError):
        return False


def inherited(*prefixes: str) -> dict[str, str]:
    """This process's environment without variables that begin so."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def runs(pid: int) -> bool:
    """Whether the process is there and not only waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def marked(value: str) -> list[int]:
    """The processes of this machine, besides this one, that were started with this value of `MARK`."""
    wanted = f"{MARK}={value}".encode()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (place / "environ").read_bytes().split(b"\0") and int(place.name) != os.getpid():
                found.append(int(place.name))
    return found


def end_marked(value: str, seconds: float) -> list[int]:
    """End such processes: SIGTERM, and SIGKILL for what is left after so many seconds. Returns those that there were."""
    there = marked(value)
    for how in (signal.SIGTERM, signal.SIGKILL):
        for pid in marked(value):
            with suppress(ProcessLookupError):
                os.kill(pid, how)
        deadline = time.monotonic() + seconds
        while marked(value) and time.monotonic() < deadline:
            time.sleep(0.05)
    return there
