"""Which registered version serves: the gate a candidate passes, promotion and rollback."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matchcast.adapters.registry import MlflowRegistry, Promotion, RegisteredVersion
from matchcast.errors import Conflict, NotFound, Unavailable
from matchcast.model.metrics import Outcomes, PairedDifference, Probs, log_loss_each, paired_difference
from matchcast.ports import ObjectStore
from matchcast.usecases.champion import (
    challenger_pointer,
    champion_pointer,
    end_challenge,
    reference_key,
    set_challenger,
    set_champion,
)
from pipeline.params import PromotionGate

NOT_WORSE: Final = "not worse than the champion"
PROMOTED: Final = "promoted_at"
ROLLED_BACK: Final = "rolled_back_at"
"""Tags of a registered version: instants, ISO 8601 in UTC."""
REFERENCE: Final = "data/reference_features.parquet"
"""What `register_model` keeps in MLflow of the rows a model was trained on."""


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

    @property
    def challenges(self) -> bool:
        """Good enough by itself, but not shown to be as good as the champion."""
        return [check.name for check in self.checks if not check.passed] == [NOT_WORSE]

    def to_json(self) -> dict[str, Any]:
        """As `gate.json`."""
        return {
            "candidate": self.candidate,
            "champion": self.champion,
            "passed": self.passed,
            "challenges": self.challenges,
            "checks": [check._asdict() for check in self.checks],
        }


def ask_gate(
    gate: PromotionGate,
    *,
    candidate: str,
    report: dict[str, Any],
    ours: HoldoutForecasts,
    baseline: HoldoutForecasts,
    champion: str | None,
    theirs: Sequence[HoldoutForecasts],
    withdrawn_at: str | None = None,
) -> GateAnswer:
    """Judge a candidate on its hold-out.

    Args:
        candidate, champion: versions of the bundles; champion is None if there is none yet.
        report: as `evaluation.evaluate` gives it.
        ours: the candidate's forecasts of its hold-out.
        baseline: a logistic regression's on the ratings alone, of the same matches.
        theirs: the champion's, of matches it had not seen; where a match is in several, the earlier one counts.
        withdrawn_at: when the candidate was rolled back, if it was and nobody promoted it since.
    """
    base = report["base_rate"]["model_minus_this"]["log_loss"]
    highest = base["mean"] + gate.z * base["standard_error"]
    gain = _difference(ours, baseline)
    ece = report["model"]["ece"]
    checks = [
        Check(
            "better than the base rate",
            highest < 0.0,
            f"log loss minus the base rate's {base['mean']:+.4f} ± {base['standard_error']:.4f}, "
            f"at most {highest:+.4f}",
        ),
        Check(
            "better than the logistic baseline",
            gain.mean < 0.0,
            f"log loss minus the baseline's {gain.mean:+.4f} ± {gain.standard_error:.4f} on {len(ours.outcomes)} matches",
        ),
        Check("calibrated", ece <= gate.worst_ece, f"ECE {ece:.4f}, at most {gate.worst_ece}"),
    ]
    if withdrawn_at is not None:
        checks.append(
            Check(
                "not rolled back before",
                False,
                f"it was rolled back at {withdrawn_at}: `matchcast promote candidate` brings it back nevertheless",
            )
        )
    if champion is None:
        checks.append(Check(NOT_WORSE, True, "there is no champion yet"))
    elif champion == candidate:
        checks.append(Check(NOT_WORSE, True, "it is the champion"))
    else:
        checks.append(_against(ours, theirs, gate))
    return GateAnswer(candidate, champion, tuple(checks))


def _against(ours: HoldoutForecasts, theirs: Sequence[HoldoutForecasts], gate: PromotionGate) -> Check:
    known: dict[int, NDArray[np.float64]] = {}
    for part in theirs:
        for match_id, probs in zip(part.match_ids.tolist(), part.probs, strict=True):
            known.setdefault(match_id, probs)
    common = np.array([match_id in known for match_id in ours.match_ids.tolist()], dtype=np.bool_)
    if common.sum() < gate.least_common_matches:
        return Check(
            NOT_WORSE,
            False,
            f"{int(common.sum())} hold-out matches in common, at least {gate.least_common_matches} are needed: "
            "compare by hand, then `matchcast promote candidate`",
        )
    same = HoldoutForecasts(ours.match_ids[common], ours.probs[common], ours.outcomes[common])
    champions = np.array([known[match_id] for match_id in same.match_ids.tolist()])
    difference = _difference(same, same._replace(probs=champions))
    lowest = difference.mean - gate.z * difference.standard_error
    return Check(
        NOT_WORSE,
        lowest <= 0.0,
        f"log loss minus the champion's {difference.mean:+.4f} ± {difference.standard_error:.4f}, "
        f"at least {lowest:+.4f}, on {int(common.sum())} identical matches",
    )


def _difference(ours: HoldoutForecasts, theirs: HoldoutForecasts) -> PairedDifference:
    """Of log loss, on the same matches; negative means `ours` is better."""
    return paired_difference(log_loss_each(ours.probs, ours.outcomes), log_loss_each(theirs.probs, theirs.outcomes))


def promote(registry: MlflowRegistry, objects: ObjectStore, name: str, now: datetime) -> RegisteredVersion:
    """Make a registered version the champion: reference, bundle and pointer in the object store, then the alias.

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
        registry.tag(version, {PROMOTED: _iso(now)})
    registry.set_promotions(promotions)
    return version


def challenge(registry: MlflowRegistry, objects: ObjectStore, name: str, now: datetime) -> RegisteredVersion:
    """Make a registered version the challenger: bundle and pointer in the object store, then the alias.

    Args:
        name: number, bundle version or alias.
    Raises:
        NotFound: no such version. BundleBroken: its bundle does not load; the challenger is the one before.
        Conflict: it is the champion.
        Unavailable: MLflow or the store is away.
    """
    version = registry.find(name)
    if pointed_at(objects) == version.bundle:
        raise Conflict(f"version {version.number} is the champion: name another, `matchcast models` lists them")
    if _challenging(objects) != version.bundle:
        set_challenger(objects, registry.bundle_files(version), version.registered_at.isoformat(), _iso(now))
    registry.set_challenger(version)
    return registry.find(str(version.number))


def withdrawn_at(version: RegisteredVersion) -> str | None:
    """When a version was rolled back; None if it never was, or was promoted again since."""
    rolled_back = version.tags.get(ROLLED_BACK)
    return rolled_back if rolled_back and rolled_back > version.tags.get(PROMOTED, "") else None


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
    registry.tag(withdrawn, {ROLLED_BACK: _iso(now)})  # first: the gate does not let it back, wherever this ends
    _point_at(registry, objects, version, now)
    registry.set_promotions(promotions)
    return version


def pointed_at(objects: ObjectStore) -> str | None:
    """Version of the bundle that the object store's pointer names; None if there is no readable pointer."""
    try:
        return champion_pointer(objects).version
    except Unavailable:
        return None


def _point_at(registry: MlflowRegistry, objects: ObjectStore, version: RegisteredVersion, now: datetime) -> None:
    reference = registry.artifact(version, REFERENCE)
    if reference is not None:  # one registered without it serves all the same; only its drift cannot be watched
        objects.put(reference_key(version.bundle), reference)
    if pointed_at(objects) != version.bundle:
        set_champion(objects, registry.bundle_files(version), version.registered_at.isoformat(), _iso(now))
    if _challenging(objects) == version.bundle:
        end_challenge(objects)


def _challenging(objects: ObjectStore) -> str | None:
    """Version of the bundle that the challenger's pointer names; None if there is no readable one."""
    try:
        pointer = challenger_pointer(objects)
    except Unavailable:
        return None
    return None if pointer is None else pointer.version


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()
