"""Machine code that comes with an image."""

import sys
from pathlib import Path
from typing import Any

import numba
import pytest

from matchcast.features.compiled import compile_now, compiled_kernel, run_pass
from matchcast.features.contract import kernel_hash
from tests.entrypoints import house


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an environment that holds machine code for these sources; the cache is empty."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(numba.config, "CACHE_DIR", numba.config.CACHE_DIR)
    folder = tmp_path / "venv/share/matchcast/numba" / kernel_hash()[:16]
    folder.mkdir(parents=True)
    (folder / "forward.1.nbc").write_bytes(b"made elsewhere")
    return folder


def test_machine_code_of_the_environment_is_taken_over_into_the_cache(ready: Path, tmp_path: Path) -> None:
    compiled_kernel.__wrapped__()
    cache_folder = tmp_path / "cache/matchcast/numba" / ready.name
    assert str(cache_folder) == numba.config.CACHE_DIR
    assert (cache_folder / "forward.1.nbc").read_bytes() == b"made elsewhere"
    assert [path.name for path in cache_folder.parent.iterdir()] == [ready.name]


def test_a_cache_that_stands_is_left_as_it_is(ready: Path, tmp_path: Path) -> None:
    cache_folder = tmp_path / "cache/matchcast/numba" / ready.name
    cache_folder.mkdir(parents=True)
    compiled_kernel.__wrapped__()
    assert not list(cache_folder.rglob("forward.1.nbc"))


def test_machine_code_for_other_sources_is_not_taken_over(ready: Path, tmp_path: Path) -> None:
    ready.rename(ready.with_name("0" * 16))
    compiled_kernel.__wrapped__()
    assert not list((tmp_path / "cache").rglob("forward.1.nbc"))


def test_compiling_in_advance_leaves_nothing_to_compile() -> None:
    """Empty tables have the types of all others."""

    compile_now()
    forward: Any = compiled_kernel()["forward"]
    known = list(forward.signatures)
    run_pass(house.matches(), house.contract())
    assert list(forward.signatures) == known
