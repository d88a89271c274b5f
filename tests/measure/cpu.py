"""Seconds of CPU that processes took, by /proc."""

import os
from pathlib import Path
from typing import Final

_TICK: Final = os.sysconf("SC_CLK_TCK")


def seconds_alone(pid: int) -> float:
    """Of one process; 0 if there is none."""
    return sum(_fields(pid)[11:13]) / _TICK


def seconds_with_children(pid: int) -> float:
    """Of a process and all its descendants, also those that ended."""
    return sum(sum(_fields(member)[11:15]) for member in (pid, *descendants(pid))) / _TICK


def descendants(pid: int) -> list[int]:
    """The living children of a process, theirs, and so on."""
    parents = {int(f.name): parent_of(int(f.name)) for f in Path("/proc").glob("[0-9]*")}
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family[1:]


def parent_of(pid: int) -> int:
    """Its parent's id; 0 if there is no such process."""
    return _fields(pid)[1]


def command(pid: int) -> list[str]:
    """Program and arguments; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def _fields(pid: int) -> list[int]:
    """/proc/PID/stat from its third field on; 0 for the state, which is no number."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return [0] * 20
    return [0, *map(int, told[1:20])]
