"""dvc.yaml says all that a stage depends on, so that changed code makes a stage run again."""

import ast
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
STAGES: Final[dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PLUMBING: Final = {
    *(f"pipeline/{name}.py" for name in ("__init__", "files", "params", "paths", "stage")),
    *(
        f"shared/matchcast/{name}.py"
        for name in (
            "errors",
            "ports/__init__",
            "settings",
            "adapters/objects",
            "adapters/objects_folder",
            "adapters/objects_s3",
        )
    ),
}
"""Reads and writes the same whatever else changes; params.yaml's values are declared knob by knob."""


@cache
def imports(file: str) -> frozenset[str]:
    """Files of ours that a file imports, anywhere in it, as paths from the root."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {_file(node.module), *(_file(f"{node.module}.{alias.name}") for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {_file(alias.name) for alias in node.names}
    return frozenset(name for name in found if name is not None)


def _file(module: str) -> str | None:
    if not module.startswith(("pipeline.", "matchcast.")):
        return None
    path = module.replace(".", "/").replace("matchcast/", "shared/matchcast/", 1)
    return next((name for name in (f"{path}.py", f"{path}/__init__.py") if (ROOT / name).exists()), None)


def needed(stage: str) -> set[str]:
    """What a stage's module imports, and what that imports in turn."""
    seen: set[str] = set()
    waiting = {f"pipeline/{stage}.py"}
    while waiting:
        seen |= waiting
        waiting = {name for file in waiting for name in imports(file)} - seen - PLUMBING
    return seen


def declared(stage: str) -> list[str]:
    return list(STAGES[stage]["deps"])


def outs(stage: str) -> list[str]:
    entries = [*STAGES[stage].get("outs", []), *STAGES[stage].get("metrics", []), *STAGES[stage].get("plots", [])]
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_the_code_it_runs(stage: str) -> None:
    undeclared = {
        name for name in needed(stage) if not any(name == dep or name.startswith(f"{dep}/") for dep in declared(stage))
    }
    assert undeclared == set()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_only_what_exists_or_another_stage_makes(stage: str) -> None:
    made = [out for other in STAGES for out in outs(other) if other != stage]
    for dep in declared(stage):
        a_part_of_it = any(out == dep or dep.startswith(f"{out}/") or out.startswith(f"{dep}/") for out in made)
        assert dep == "var/export" or (ROOT / dep).exists() or a_part_of_it, dep


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_knobs_that_exist(stage: str) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for knob in STAGES[stage].get("params", []):
        value = params
        for name in knob.split("."):
            value = value[name]


def test_training_declares_all_that_the_hash_in_its_bundle_covers() -> None:
    assert {"features", "split", "model"} <= set(STAGES["final_train"]["params"])


def test_every_output_stands_under_data() -> None:
    assert all(out.startswith("data/") for stage in STAGES for out in outs(stage))


def test_no_stage_with_effects_outside_can_be_restored_from_a_cache() -> None:
    for stage in ("register_model", "promote_model", "batch_inference"):
        kept = [out for out in STAGES[stage]["outs"] if isinstance(out, dict)]
        assert any(settings == {"cache": False} for out in kept for settings in out.values()), stage
