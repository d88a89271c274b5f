"""A house that containers can use, and a loud word when there are no containers."""

import os
from pathlib import Path

import pytest

from tests.entrypoints.house import House
from tests.images.podman import USER, why_not

_SKIPPED = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def containers(pytestconfig: pytest.Config) -> None:
    """Podman, which must run containers on this machine, or nothing here can be tested."""
    reason = why_not()
    if reason is not None:
        pytestconfig.stash[_SKIPPED] = reason
        pytest.skip(f"no image was built or run: {reason}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reason = config.stash.get(_SKIPPED, None)
    if reason is not None:
        terminalreporter.section("IMAGES WERE NOT TESTED", red=True, bold=True)
        terminalreporter.line(f"{reason}; install podman, crun and debootstrap, and run again")


@pytest.fixture(scope="session")
def container_house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A furnished house that a container's user may write to."""
    folder = tmp_path_factory.mktemp("house")
    house = House(folder)
    house.promote(1)
    house.publish(1, folder)
    house.fill_database()
    hand_over(folder)
    return house


def hand_over(folder: Path) -> None:
    """Let the images' user write to a folder and all that is in it."""
    for path in (folder, *folder.rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, USER, USER)
        path.chmod(path.stat().st_mode | (0o777 if path.is_dir() else 0o666))
