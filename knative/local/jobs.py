"""JobSinks: an event starts a command, once."""

import asyncio
import hashlib
import logging
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from starlette.types import Receive, Scope, Send

from knative.local.addresses import Addresses
from knative.local.environment import container_environment
from knative.local.ingress import LARGEST_EVENT, read_body
from knative.local.messages import Message, read_message, structured_json
from knative.local.objects import JobSink
from matchcast.errors import BadInput

COMMAND: Final = "matchcast.org/command"
"""Annotation of a JobSink whose image has the command: what runs it in a checkout."""
FOLDER: Final = Path("var/jobs")
_STOP_SECONDS: Final = 10.0
_LOG: Final = logging.getLogger("matchcast.local")


class JobSinks:
    """An ASGI application for all JobSinks: POST /NAMESPACE/NAME.

    A Job runs once for each (source, id): its folder is the record. The event lies there in the file that K_EVENT_PATH
    names, beside the log.

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
        self._running: dict[asyncio.subprocess.Process, asyncio.Task[None]] = {}
        if environment is not None:
            for sink in sinks:
                _command(sink)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, words = await self._answer(scope, receive)
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
        await self._start(sink, message, self._environment)
        return 202, b""

    async def _start(self, sink: JobSink, message: Message, given: Mapping[str, str]) -> None:
        name = sink.metadata.name
        identity = f"{message.attributes['source']}\n{message.attributes['id']}"
        place = (self._folder / f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}").absolute()
        try:
            place.mkdir(parents=True)
        except FileExistsError:
            _LOG.info("JobSink %s: %s has run before, see %s", name, message.name, place)
            return
        event = place / "event"
        event.write_bytes(structured_json(message))
        container = sink.spec.job.spec.container
        environment = {**container_environment(container, given, self._addresses), "K_EVENT_PATH": str(event)}
        with (place / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *_command(sink),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _LOG.info("JobSink %s: process %d runs for %s, log in %s", name, process.pid, message.name, place / "log")
        self._running[process] = asyncio.create_task(self._await(name, process))

    async def _await(self, name: str, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        self._running.pop(process, None)
        _LOG.log(
            logging.ERROR if code else logging.INFO, "JobSink %s: process %d ended with %d", name, process.pid, code
        )

    async def stop(self) -> None:
        """End the commands that run."""
        ending = {process: task for process, task in self._running.items() if process.returncode is None}
        for process in ending:
            process.terminate()
        if ending:
            await asyncio.wait(ending.values(), timeout=_STOP_SECONDS)
        for process in [p for p in ending if p.returncode is None]:
            process.kill()
            await process.wait()


def _command(sink: JobSink) -> list[str]:
    container = sink.spec.job.spec.container
    command = [*container.command, *container.args] or shlex.split(sink.metadata.annotations.get(COMMAND, ""))
    if not command:
        raise BadInput(
            f"JobSink {sink.metadata.name}: its container has no command; add the annotation {COMMAND}", COMMAND
        )
    return command
