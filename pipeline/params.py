"""params.yaml, checked: the only place of training knobs."""

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from matchcast.errors import BadInput
from matchcast.features.contract import FeatureContract, choose, with_market

PARAMS: Final = Path("params.yaml")
_TRAINING: Final = ("features", "split", "model", "tuning")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Features(_Section):
    """What `features.contract.choose` takes, and the bookmakers of the market's features."""

    families: tuple[str, ...] = Field(min_length=1)
    sides: tuple[str, ...]
    form_scopes: tuple[str, ...]
    form_windows: tuple[int, ...]
    form_metrics: tuple[str, ...]
    market_from: tuple[Literal["Avg", "B365", "BbAv", "PS"], ...]

    @model_validator(mode="after")
    def _known(self) -> "Features":
        self.contract()
        return self

    def contract(self) -> FeatureContract:
        """The chosen features."""
        chosen = choose(self.families, self.sides, self.form_scopes, self.form_windows, self.form_metrics)
        return with_market(chosen, self.market_from)


class Split(_Section):
    """Where training starts, where the hold-out starts, and how many yearly folds lie between."""

    first_day: date
    warm_up_days: int = Field(ge=0)
    holdout_from: date | None
    holdout_days: int = Field(ge=1)
    folds: int = Field(ge=1)


class Trees(_Section):
    """As `model.fit.TreeParams`."""

    max_depth: int = Field(ge=1)
    eta: float = Field(gt=0, le=1)
    subsample: float = Field(gt=0, le=1)
    colsample_bytree: float = Field(gt=0, le=1)
    min_child_weight: float = Field(ge=0)
    reg_lambda: float = Field(ge=0)
    max_rounds: int = Field(ge=1)
    early_stopping_rounds: int = Field(ge=1)


class Linear(_Section):
    """As `model.fit.LinearParams`."""

    c: float = Field(gt=0)
    seasons: float = Field(gt=0)
    clip: float = Field(gt=0)


class Goals(_Section):
    """As `model.fit.GoalsParams`."""

    penalty: float = Field(ge=0)
    seasons: float = Field(gt=0)
    clip: float = Field(gt=0)
    most_goals: int = Field(ge=1)


class Model(_Section):
    """As `model.fit.FitParams`, which takes what `model_dump` gives."""

    seed: int = Field(ge=0)
    trees: Trees
    linear: Linear
    goals: Goals
    validation_days: int = Field(ge=1)
    prior_matches: float = Field(ge=0)
    threads: int = Field(ge=1)


class SearchSpace(_Section):
    """Lowest and highest value of each of the trees' knobs that tuning tries."""

    max_depth: tuple[int, int]
    eta: tuple[float, float]
    subsample: tuple[float, float]
    colsample_bytree: tuple[float, float]
    min_child_weight: tuple[float, float]
    reg_lambda: tuple[float, float]

    @model_validator(mode="after")
    def _ordered(self) -> "SearchSpace":
        for name in type(self).model_fields:
            lowest, highest = getattr(self, name)
            if not 0 < lowest <= highest:
                raise ValueError(f"{name}: give the lowest value, above 0, then the highest, not [{lowest}, {highest}]")
        return self


class Tuning(_Section):
    """How often the trees' knobs are tried, params.yaml's own included; after 0 trials the own ones stand."""

    trials: int = Field(ge=0)
    space: SearchSpace


class HistGradientBoosting(_Section):
    """scikit-learn's names."""

    max_iter: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    max_leaf_nodes: int = Field(ge=2)
    min_samples_leaf: int = Field(ge=1)
    l2_regularization: float = Field(ge=0)


class Classification(_Section):
    """Models that are compared with the members but are none of them."""

    hist_gradient_boosting: HistGradientBoosting


class Ablation(_Section):
    """Which member tells what a family of features is worth, and on how many folds, the last ones."""

    member: Literal["trees", "linear", "goals"]
    folds: int = Field(ge=1)


class ErrorAnalysis(_Section):
    """How matches are grouped: bins of the rating gap; how long a promoted club counts as one, in matches."""

    rating_bins: int = Field(ge=2)
    promoted_matches: int = Field(ge=1)


class Evaluation(_Section):
    """The market that forecasts are measured against."""

    bookmaker: str
    moment: Literal["opening", "closing"]


class RawGate(_Section):
    """Bounds on dates."""

    first_day: date
    horizon_days: int = Field(ge=1)


class FeaturesGate(_Section):
    """How strictly the contract's bounds hold, and how much must be known."""

    mostly: float = Field(gt=0, le=1)
    least_coverage: float = Field(ge=0, le=1)


class PromotionGate(_Section):
    """What a candidate must show."""

    worst_ece: float = Field(gt=0, lt=1)
    z: float = Field(ge=0)
    least_common_matches: int = Field(ge=2)


class Gates(_Section):
    """Every gate's knobs."""

    raw: RawGate
    features: FeaturesGate
    promotion: PromotionGate


class Registry(_Section):
    """Names in MLflow, and how many reference rows go with a model."""

    experiment: str = Field(min_length=1)
    model: str = Field(min_length=1)
    reference_rows: int = Field(ge=1)


class Params(_Section):
    """The whole file."""

    features: Features
    split: Split
    model: Model
    tuning: Tuning
    classification: Classification
    ablation: Ablation
    error_analysis: ErrorAnalysis
    evaluation: Evaluation
    gates: Gates
    registry: Registry

    @property
    def hash(self) -> str:
        """SHA-256 (hex) over what decides how a model is trained: features, split, model and tuning."""
        content = json.dumps(self.model_dump(mode="json", include=set(_TRAINING)), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def read_params(path: Path = PARAMS) -> Params:
    """Read params.yaml.

    Raises:
        BadInput: the file is missing or a value is wrong; the message lists each by name.
    """
    try:
        return Params.model_validate(yaml.safe_load(path.read_text()))
    except FileNotFoundError as error:
        raise BadInput(f"{path} is missing: run this in the folder that holds it", "params") from error
    except yaml.YAMLError as error:
        raise BadInput(f"{path} is not YAML: {error}", "params") from error
    except ValidationError as error:
        faults = "\n  ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors())
        raise BadInput(f"{path} is not right, correct these:\n  {faults}", "params") from error
