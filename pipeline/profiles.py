"""Profiles: params.yaml as pipeline/conf composes it, without an experiment of DVC's."""

import sys
from pathlib import Path
from typing import Final

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf

from matchcast.errors import BadInput
from pipeline.files import write_bytes
from pipeline.params import PARAMS
from pipeline.stage import run_stage, say

PIPELINE: Final = Path("dvc.yaml")
CONF: Final = Path(__file__).with_name("conf")


def main() -> None:
    """Write params.yaml for the profile named on the command line, or for the default one.

    Raises:
        BadInput: this is not the folder of the pipeline, or there is no such profile.
    """
    profile = sys.argv[1] if len(sys.argv) > 1 else None
    if not PIPELINE.exists():
        raise BadInput(
            f"{PARAMS} belongs beside {PIPELINE}, which is not here: run this in the project's folder", "params"
        )
    write_bytes(PARAMS, composed(profile).encode())
    say(f"{PARAMS}: profile {profile or 'by default'}; `dvc repro` runs it")


def profiles() -> list[str]:
    """Names of the profiles."""
    return sorted(file.stem for file in (CONF / "experiment").glob("*.yaml"))


def composed(profile: str | None = None) -> str:
    """params.yaml of a profile, byte for byte as `dvc exp run -S experiment=<profile>` writes it.

    Raises:
        BadInput: there is no such profile, or its files do not compose.
    """
    if profile is not None and profile not in profiles():
        raise BadInput(f"no profile {profile!r}: take one of {', '.join(profiles())}", "experiment")
    try:
        with initialize_config_dir(str(CONF.resolve()), version_base=None):
            return OmegaConf.to_yaml(compose("config", [f"experiment={profile}"] if profile else []), resolve=True)
    except HydraException as error:
        raise BadInput(f"{CONF} does not compose: {error}", "experiment") from error


if __name__ == "__main__":
    run_stage(main)
