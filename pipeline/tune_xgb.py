"""Stage: knobs of the trees, chosen by Optuna on the walk-forward folds; more trials go on from those made before."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import optuna
import xgboost as xgb
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState
from rich.console import Console
from rich.progress import Progress

from matchcast.errors import BadInput
from matchcast.model import fit
from matchcast.model.fit import FitParams
from matchcast.model.metrics import log_loss_each
from pipeline import walk_forward
from pipeline.files import write_csv, write_json
from pipeline.params import SearchSpace, read_params
from pipeline.paths import BEST_KNOBS, FOLDS, STUDY, TRAIN, TUNING_HISTORY
from pipeline.stage import run_stage, say
from pipeline.training import FitTime, with_knobs
from pipeline.walk_forward import Walk, read_walk, trees_forecasts

BY_LOGARITHM: Final = ("eta", "min_child_weight", "reg_lambda")
CODE: Final = (Path(fit.__file__), Path(walk_forward.__file__))
"""Other code, other losses: what was tried with it does not count."""

Knobs = dict[str, Any]


class Trial(NamedTuple):
    """Knobs by name, and the mean walk-forward log loss of trees that were trained with them."""

    knobs: Knobs
    log_loss: float


def main() -> None:
    """Read data/splits, write data/tuning; with 0 trials the knobs are params.yaml's own."""
    params = read_params()
    own, tuning, fit_time = FitParams.of(params.model.model_dump()), params.tuning, FitTime()
    knobs = {name: getattr(own.trees, name) for name in SearchSpace.model_fields}
    trials: list[Trial] = []
    if tuning.trials:
        walk = read_walk()
        study = open_study(problem(own, tuning.space))
        trials = tune(
            study, tuning.trials, own.seed, space_of(tuning.space), knobs,
            lambda tried: walk_forward_loss(walk, with_knobs(own, tried), fit_time),
        )  # fmt: skip
    best = min(trials, key=lambda trial: trial.log_loss, default=None)
    losses = {"log_loss": best.log_loss, "own_log_loss": trials[0].log_loss} if best else {}
    write_json(BEST_KNOBS, {"trials": len(trials), "knobs": best.knobs if best else knobs, **losses})
    least = np.minimum.accumulate([trial.log_loss for trial in trials])
    write_csv(
        TUNING_HISTORY,
        ["trial", "log_loss", "least_so_far", *knobs],
        [(i, trial.log_loss, least[i - 1], *trial.knobs.values()) for i, trial in enumerate(trials, start=1)],
    )
    say(f"best of {len(trials)} trials: {best}; {fit_time}" if best else "no tuning: the knobs are params.yaml's own")


def walk_forward_loss(walk: Walk, params: FitParams, fit_time: FitTime) -> float:
    """Log loss of the trees alone, mean over the matches of all folds."""
    losses = [
        log_loss_each(trees_forecasts(fold, params, [fit_time]), fold.asked.outcomes) for fold in walk.folds(params)
    ]
    return float(np.concatenate(losses).mean())


def tune(
    study: optuna.Study,
    trials: int,
    seed: int,
    space: dict[str, BaseDistribution],
    own: Knobs,
    loss: Callable[[Knobs], float],
) -> list[Trial]:
    """Try knobs until the study has so many trials, its own first; what a killed run left unfinished is tried anew.

    Each trial has a seed of its own, so that a study that goes on ends as one that was never interrupted.

    Raises:
        BadInput: a knob of ours lies outside the space.
    """
    outside = [name for name, value in own.items() if not space[name]._contains(value)]
    if outside:
        raise BadInput(
            f"model.trees.{outside[0]} is {own[outside[0]]}, outside tuning.space.{outside[0]}: widen the space, or set "
            "tuning.trials to 0",
            f"tuning.space.{outside[0]}",
        )
    for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(left.number, state=TrialState.FAIL)
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("trials", total=trials, completed=len(complete(study)))
        while len(done := complete(study)) < trials:
            if done:
                study.sampler = optuna.samplers.TPESampler(seed=(seed + len(done)) % 2**32)
                trial = study.ask(space)
                study.tell(trial, loss(trial.params))
            else:
                study.add_trial(optuna.trial.create_trial(params=own, distributions=space, value=loss(own)))
            progress.update(bar, completed=len(done) + 1, description=f"least log loss {study.best_value:.5f}")
    return complete(study)[:trials]


def complete(study: optuna.Study) -> list[Trial]:
    """Its finished trials, in the order they were made."""
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [
        Trial({name: trial.params[name] for name in SearchSpace.model_fields}, trial.values[0]) for trial in finished
    ]


def open_study(name: str) -> optuna.Study:
    """The study of that name in var/tuning, a new one if there is none."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    STUDY.parent.mkdir(parents=True, exist_ok=True)
    return optuna.create_study(storage=f"sqlite:///{STUDY}", study_name=name, load_if_exists=True)


def problem(params: FitParams, space: SearchSpace) -> str:
    """Name of the study: a hash over all that decides what a trial's loss is and which trial comes next."""
    told = [asdict(params), space.model_dump(), xgb.__version__, optuna.__version__]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for file in (TRAIN, FOLDS, *CODE):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def space_of(space: SearchSpace) -> dict[str, BaseDistribution]:
    """As Optuna takes it."""
    found: dict[str, BaseDistribution] = {}
    for name in SearchSpace.model_fields:
        lowest, highest = getattr(space, name)
        found[name] = (
            IntDistribution(lowest, highest)
            if isinstance(lowest, int)
            else FloatDistribution(lowest, highest, log=name in BY_LOGARITHM)
        )
    return found


if __name__ == "__main__":
    run_stage(main)
