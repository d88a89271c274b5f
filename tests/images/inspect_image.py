"""Runs inside of a container and tells, as JSON, what it is and holds; standard library only."""

import importlib.util
import json
import os
import pathlib
import shutil
import sys
import sysconfig


def refuses_writes(folder: str) -> bool:
    try:
        pathlib.Path(folder, "written").touch()
    except OSError:
        return True
    return False


def uncompiled(folder: str) -> list[str]:
    return [
        str(source)
        for source in pathlib.Path(folder).rglob("*.py")
        if not pathlib.Path(importlib.util.cache_from_source(str(source))).exists() and _compiles(source)
    ]


def _compiles(source: pathlib.Path) -> bool:
    try:
        compile(source.read_bytes(), str(source), "exec")
    except (SyntaxError, UnicodeDecodeError):
        return False
    return True


status = dict(line.split(":\t") for line in pathlib.Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
json.dump(
    {
        "user": os.getuid(),
        "group": os.getgid(),
        "capabilities": int(status["CapBnd"], 16) | int(status["CapEff"], 16),
        "no_new_privileges": status["NoNewPrivs"].strip() == "1",
        "writable": [
            folder for folder in ("/", "/app", "/venv", "/etc", "/tmp", "/var/tmp") if not refuses_writes(folder)
        ],
        "importable": [name for name in sys.argv[1:] if importlib.util.find_spec(name)],
        "tools": [tool for tool in ("uv", "pip", "pip3", "git", "gcc") if shutil.which(tool)],
        "uncompiled": uncompiled(sysconfig.get_paths()["purelib"]) + uncompiled("/app"),
        "functions": sorted(path.parent.name for path in pathlib.Path("/app/functions").glob("*/main.py")),
        "top": sorted(path.name for path in pathlib.Path("/app").iterdir()),
        "secrets": [str(path) for path in pathlib.Path("/run/secrets").glob("*")],
    },
    sys.stdout,
)
