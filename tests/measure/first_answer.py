"""What a function imports and calls from its start to its first answer, and what that takes."""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FIRST_ANSWER: Final = """\
import asyncio, cProfile, json, pstats, sys
from matchcast.web.app import server_config
import uvloop

function, method, path, key, body = sys.argv[1:]
body = body.encode()
profile = cProfile.Profile()


async def first_answer():
    headers = {"host": "localhost", "x-api-key": key, "content-type": "application/json", "content-length": len(body)}
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": method,
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 9), "root_path": "", "path": path, "raw_path": path.encode(),
        "query_string": b"", "headers": [(name.encode(), str(value).encode()) for name, value in headers.items()],
    }
    told = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        told.append(message)

    await config.loaded_app(scope, receive, send)
    assert told[0]["status"] == 200, told


config = server_config(f"functions.{function}.main:app", port=0)
if sys.flags.dev_mode:
    profile.enable()
config.load()
uvloop.run(first_answer())
profile.disable()
if sys.flags.dev_mode:
    stats = pstats.Stats(profile)
    for (file, line, name), (_, calls, _, cumulative, _) in stats.stats.items():
        print(json.dumps([file, line, name, calls, cumulative]))
"""
SHOWN: Final = 25


def tell_what_is_left(asked: tuple[str, str, str, str, str], environment: Mapping[str, str]) -> None:
    """By import: milliseconds that a package's modules take by themselves, the least of three runs. By call: what the
    profiler says of our own code, with what it calls, imports among it.

    Args:
        asked: function, method, path, API key and body of the request.
    """
    runs = [
        packages(run((sys.executable, "-X", "importtime", "-c", FIRST_ANSWER, *asked), environment).stderr)
        for _ in range(3)
    ]
    least = {name: min(run.get(name, (0.0, 0)) for run in runs) for name in runs[0]}
    print(f"imports, ms by themselves; in all {sum(ms for ms, _ in least.values()):.0f}")
    for name, (ms, modules) in sorted(least.items(), key=lambda item: -item[1][0])[:SHOWN]:
        print(f"{ms:8.1f}  {name} ({modules} modules)")
    told = run((sys.executable, "-X", "dev", "-W", "ignore", "-c", FIRST_ANSWER, *asked), environment).stdout
    calls = [json.loads(line) for line in told.splitlines()]
    ours = [
        call for call in calls if "/matchcast/" in call[0] or "/functions/" in call[0] or call[2].endswith("connect>")
    ]
    print("calls of ours, ms with what they call")
    for file, line, name, count, seconds in sorted(ours, key=lambda call: -call[4])[:SHOWN]:
        print(f"{seconds * 1000:8.1f}  {'/'.join(Path(file).parts[-2:])}:{line} {name} ({count})")


def run(command: tuple[str, ...], environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return done


def packages(told: str) -> dict[str, tuple[float, int]]:
    """Milliseconds and number of modules by package, from what `python -X importtime` tells; Python's own are one."""
    found: defaultdict[str, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    for line in told.splitlines():
        if line.startswith("import time:") and "self [us]" not in line:
            alone, _, module = line.removeprefix("import time:").split("|")
            root = module.strip().partition(".")[0]
            name = "Python" if root in sys.stdlib_module_names else root
            ms, modules = found[name]
            found[name] = ms + int(alone) / 1000, modules + 1
    return found
