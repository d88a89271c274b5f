"""JobSinks: an event starts a command, once."""

import asyncio
import hashlib
import logging
import os
import shlex
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from starlette.types import Receive, Scope, Send

from knative.local.addresses import Addresses
from knative.local.environment import container_environment
from knative.local.ingress import LARGEST_EVENT, Disconnected, read_body
from knative.local.messages import Message, read_message, structured_json
from knative.local.objects import JobSink
from knative.local.processes import end_with_parent
from matchcast.errors import BadInput

COMMAND: Final = "matchcast.org/command"
"""Annotation of a JobSink whose image has the command: what runs it in a checkout."""
FOLDER: Final = Path("var/jobs")
_EVENT_PATH: Final = "K_EVENT_PATH"
_STOP_SECONDS: Final = 10.0
_LOG: Final = logging.getLogger("matchcast.local")


class _Job(NamedTuple):
    """A command that runs."""

    process: asyncio.subprocess.Process
    waiting: asyncio.Task[None]


class JobSinks:
    """An ASGI application for all JobSinks: POST /NAMESPACE/NAME.

    A Job runs once for each (source, id). Its folder holds the event, in the file that K_EVENT_PATH names, the log, the
    pid and, once it has ended, its status. A Job whose folder has no status and no process of it never ran to its end:
    the event starts it anew.

    Args:
        environment: of the process; None runs nothing and only says what would be.
    """

    def __init__(
        self,
        sinks: Sequence[JobSink],
        addresses: Addresses,
        environment: Mapping[str, str] | None,
        folder: Path = FOLDER,
    ) -> None:
        self._sinks = {sink.metadata.name: sink for sink in sinks}
        self._addresses = addresses
        self._environment = environment
        self._folder = folder
        self._starting: set[Path] = set()
        self._running: dict[Path, _Job] = {}
        self._stopping = False
        if environment is not None:
            for sink in sinks:
                _command(sink)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, words = await self._answer(scope, receive)
        except Disconnected:
            return
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": words})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        body = await read_body(receive, LARGEST_EVENT)
        sink = self._sinks.get(scope["path"].rpartition("/")[2])
        if scope["method"] != "POST" or sink is None:
            return (404 if sink is None else 405), b""
        try:
            if body is None:
                raise BadInput(f"body: is larger than {LARGEST_EVENT} bytes", "body")
            message = read_message(scope["headers"], body)
        except BadInput as error:
            return 400, str(error).encode()
        if self._environment is None:
            _LOG.warning("JobSink %s: %s was not run; start with --jobs to run it", sink.metadata.name, message.name)
            return 202, b""
        try:
            await self._start(sink, message, self._environment)
        except OSError as error:
            _LOG.error("JobSink %s: %s was not run: %s", sink.metadata.name, message.name, error)
            return 500, str(error).encode()
        return 202, b""

    async def _start(self, sink: JobSink, message: Message, given: Mapping[str, str]) -> None:
        name = sink.metadata.name
        identity = f"{message.attributes['source']}\n{message.attributes['id']}"
        place = (self._folder / f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}").absolute()
        if place in self._starting or place in self._running or _has_run(place):
            _LOG.info("JobSink %s: %s has run before, see %s", name, message.name, place)
            return
        self._starting.add(place)
        try:
            process = await self._spawn(sink, message, given, place)
            self._running[place] = _Job(process, asyncio.create_task(self._await(name, place, process)))
        finally:
            self._starting.discard(place)
        _LOG.info("JobSink %s: process %d runs for %s, log in %s", name, process.pid, message.name, place / "log")

    async def _spawn(
        self, sink: JobSink, message: Message, given: Mapping[str, str], place: Path
    ) -> asyncio.subprocess.Process:
        """
        Raises:
            OSError: it does not start; nothing of it is left.
        """
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        try:
            event = place / "event"
            event.write_bytes(structured_json(message))
            container = sink.spec.job.spec.container
            with (place / "log").open("wb") as log:
                process = await asyncio.create_subprocess_exec(
                    *_command(sink),
                    env={**container_environment(container, given, self._addresses), _EVENT_PATH: str(event)},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=end_with_parent,
                )
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        (place / "pid").write_text(str(process.pid))
        return process

    async def _await(self, name: str, place: Path, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        self._running.pop(place, None)
        if not self._stopping:
            (place / "status").write_text(str(code))
        _LOG.log(
            logging.ERROR if code else logging.INFO, "JobSink %s: process %d ended with %d", name, process.pid, code
        )

    async def stop(self) -> None:
        """End the commands that run, with all that they started."""
        self._stopping = True
        jobs = list(self._running.values())
        for job in jobs:
            _signal(job, signal.SIGTERM)
        if jobs:
            await asyncio.wait([job.waiting for job in jobs], timeout=_STOP_SECONDS)
        for job in jobs:
            _signal(job, signal.SIGKILL)  # its children, where it has ended itself
            await job.waiting


def _signal(job: _Job, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(job.process.pid, number)


def _has_run(place: Path) -> bool:
    """Whether a Job has ended by itself or is running still, started by this process or another."""
    if (place / "status").exists():
        return True
    try:
        environment = (Path("/proc") / (place / "pid").read_text() / "environ").read_bytes()
    except OSError:
        return False
    return f"{_EVENT_PATH}={place / 'event'}".encode() in environment.split(b"\0")


def _command(sink: JobSink) -> list[str]:
    container = sink.spec.job.spec.container
    command = [*container.command, *container.args] or shlex.split(sink.metadata.annotations.get(COMMAND, ""))
    if not command:
        raise BadInput(
            f"JobSink {sink.metadata.name}: its container has no command; add the annotation {COMMAND}", COMMAND
        )
    return command
