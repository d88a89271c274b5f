"""Which registered version serves: the gate a candidate passes, promotion and rollback."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matchcast.adapters.registry import MlflowRegistry, Promotion, RegisteredVersion
from matchcast.errors import NotFound, Unavailable
from matchcast.model.metrics import Outcomes, Probs, log_loss_each, paired_difference
from matchcast.ports import ObjectStore
from matchcast.usecases.champion import champion_pointer, set_champion
from pipeline.params import PromotionGate


class Check(NamedTuple):
    """One question to a candidate and its answer."""

    name: str
    passed: bool
    detail: str


class HoldoutForecasts(NamedTuple):
    """Forecasts of matches that their model had not seen: ids sorted, probs (n, 3), outcomes (n,)."""

    match_ids: NDArray[np.int64]
    probs: Probs
    outcomes: Outcomes


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """Whether a candidate may serve, and why.

    Attributes:
        candidate, champion: versions of the bundles; champion is None before the first.
    """

    candidate: str
    champion: str | None
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """As `gate.json`."""
        return {
            "candidate": self.candidate,
            "champion": self.champion,
            "passed": self.passed,
            "checks": [check._asdict() for check in self.checks],
        }


def ask_gate(
    gate: PromotionGate,
    *,
    candidate: str,
    report: dict[str, Any],
    ours: HoldoutForecasts,
    champion: str | None,
    theirs: Sequence[HoldoutForecasts],
) -> GateAnswer:
    """Judge a candidate on its hold-out.

    Args:
        candidate, champion: versions of the bundles; champion is None if there is none yet.
        report: as `evaluation.evaluate` gives it.
        ours: the candidate's forecasts of its hold-out.
        theirs: the champion's, of matches it had not seen; where a match is in several, the earlier one counts.
    """
    base = report["base_rate"]["model_minus_this"]["log_loss"]
    ece = report["model"]["ece"]
    highest = base["mean"] + gate.z * base["standard_error"]
    checks = [
        Check(
            "better than the base rate",
            highest < 0.0,
            f"log loss minus the base rate's {base['mean']:+.4f} ± {base['standard_error']:.4f}, "
            f"at most {highest:+.4f}",
        ),
        Check("calibrated", ece <= gate.worst_ece, f"ECE {ece:.4f}, at most {gate.worst_ece}"),
    ]
    if champion is None:
        checks.append(Check("not worse than the champion", True, "there is no champion yet"))
    elif champion == candidate:
        checks.append(Check("not worse than the champion", True, "it is the champion"))
    else:
        checks.append(_against(ours, theirs, gate))
    return GateAnswer(candidate, champion, tuple(checks))


def _against(ours: HoldoutForecasts, theirs: Sequence[HoldoutForecasts], gate: PromotionGate) -> Check:
    name = "not worse than the champion"
    known: dict[int, NDArray[np.float64]] = {}
    for part in theirs:
        for match_id, probs in zip(part.match_ids.tolist(), part.probs, strict=True):
            known.setdefault(match_id, probs)
    common = np.array([match_id in known for match_id in ours.match_ids.tolist()], dtype=np.bool_)
    if common.sum() < gate.least_common_matches:
        return Check(
            name,
            False,
            f"{int(common.sum())} hold-out matches in common, at least {gate.least_common_matches} are needed: "
            "compare by hand, then `matchcast promote candidate`",
        )
    outcomes = ours.outcomes[common]
    champions = np.array([known[match_id] for match_id in ours.match_ids[common].tolist()])
    difference = paired_difference(log_loss_each(ours.probs[common], outcomes), log_loss_each(champions, outcomes))
    lowest = difference.mean - gate.z * difference.standard_error
    return Check(
        name,
        lowest <= 0.0,
        f"log loss minus the champion's {difference.mean:+.4f} ± {difference.standard_error:.4f}, "
        f"at least {lowest:+.4f}, on {int(common.sum())} identical matches",
    )


def promote(registry: MlflowRegistry, objects: ObjectStore, name: str, now: datetime) -> RegisteredVersion:
    """Make a registered version the champion: bundle and pointer in the object store, then the alias.

    Repeating it changes nothing; after a crash it finishes what was begun.

    Args:
        name: number, bundle version or alias.
    Raises:
        NotFound: no such version. BundleBroken: its bundle does not load; the champion is the one before.
        Unavailable: MLflow or the store is away.
    """
    version = registry.find(name)
    _point_at(registry, objects, version, now)
    promotions = registry.promotions()
    if not promotions or promotions[-1].number != version.number:
        promotions.append(Promotion(version.number, _iso(now)))
        registry.tag(version, {"promoted_at": _iso(now)})
    registry.set_promotions(promotions)
    return version


def rollback(registry: MlflowRegistry, objects: ObjectStore, now: datetime) -> RegisteredVersion:
    """Make the champion before this one the champion again; what was rolled back is tagged so.

    Raises:
        NotFound: there was none before.
    """
    promotions = registry.promotions()
    if len(promotions) < 2:
        raise NotFound("no champion was before this one; `matchcast models` lists what can be promoted")
    withdrawn = registry.find(str(promotions.pop().number))
    version = registry.find(str(promotions[-1].number))
    _point_at(registry, objects, version, now)
    registry.set_promotions(promotions)
    registry.tag(withdrawn, {"rolled_back_at": _iso(now)})
    return version


def pointed_at(objects: ObjectStore) -> str | None:
    """Version of the bundle that the object store's pointer names; None if there is no readable pointer."""
    try:
        return champion_pointer(objects).version
    except Unavailable:
        return None


def _point_at(registry: MlflowRegistry, objects: ObjectStore, version: RegisteredVersion, now: datetime) -> None:
    if pointed_at(objects) != version.bundle:
        set_champion(objects, registry.bundle_files(version), version.registered_at.isoformat(), _iso(now))


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()
