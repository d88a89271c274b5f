"""Make a forecast of the ledger again from what was recorded with it, and compare to the bit."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from matchcast.domain.forecast import GENESIS_HASH, LedgerRow
from matchcast.errors import BundleBroken, NotFound, SnapshotBroken
from matchcast.features.contract import kernel_hash
from matchcast.features.state import State
from matchcast.model.bundle import MANIFEST, SERVED_FILES, Bundle, load_bundle
from matchcast.ports import Ledger, ObjectStore, StateSnapshot
from matchcast.usecases.predict import make_forecast

PROBABILITIES: Final = ("home_prob", "draw_prob", "away_prob")
_COPY: Final = "put it back from a copy of the object store"


class RecordedState(NamedTuple):
    """A snapshot file, open, and all the state in it."""

    snapshot: StateSnapshot
    state: State


class Compared(NamedTuple):
    """One thing of a ledger row: as it was recorded, and as it came out now. Floats are written by `float.hex`."""

    name: str
    recorded: str
    recomputed: str

    @property
    def equal(self) -> bool:
        return self.recorded == self.recomputed


@dataclass(frozen=True, slots=True)
class Replayed:
    """A ledger row, and all that was compared of it."""

    row: LedgerRow
    snapshot_key: str
    compared: tuple[Compared, ...]

    @property
    def difference(self) -> Compared | None:
        """The first thing that came out differently; None if the row replays."""
        return next((c for c in self.compared if not c.equal), None)


@dataclass
class Replayer:
    """Replays rows; the snapshot and the bundle opened last stay open, so that a whole ledger is quick.

    Attributes:
        ledger: where the forecasts are.
        objects: where the snapshots and bundles that made them are.
        open_state: opens a snapshot file, given its key and content.
    """

    ledger: Ledger
    objects: ObjectStore
    open_state: Callable[[str, bytes], RecordedState]
    _state: tuple[str, RecordedState] | None = field(default=None, init=False)
    _bundle: tuple[str, Bundle] | None = field(default=None, init=False)

    def replay(self, forecast_id: int) -> Replayed:
        """Make one forecast again.

        Raises:
            NotFound: the ledger has no such row, or the snapshot or the bundle that made it is gone.
            SnapshotBroken, BundleBroken: it is damaged, or was made by other code than this.
            Unavailable: the ledger or the object store is away.
        """
        row = self.ledger.find(forecast_id)
        if row is None:
            raise NotFound(
                f"forecast_id: the ledger has no forecast {forecast_id}; answers to POST /predict/ name theirs"
            )
        return self.replay_row(row, self.ledger.find(forecast_id - 1))

    def replay_row(self, row: LedgerRow, previous: LedgerRow | None) -> Replayed:
        """Make the forecast of a row again.

        Args:
            previous: the row before it in the ledger.
        Raises:
            As `replay`.
        """
        recorded = row.forecast
        key, (snapshot, state) = self._state_of(row)
        made = make_forecast(
            recorded.fixture, bundle=self._bundle_of(row), snapshot=snapshot, code_revision=recorded.code_revision,
            as_of=max(recorded.as_of, snapshot.as_of), cause=recorded.cause,
        )  # fmt: skip
        before = previous.hash if previous else GENESIS_HASH if row.forecast_id == 1 else "there is no row before"
        return Replayed(
            row,
            key,
            (
                Compared("snapshot_hash", recorded.snapshot_hash, state.hash),
                Compared("model_version", recorded.model_version, made.model_version),
                Compared("as_of", recorded.as_of.isoformat(), made.as_of.isoformat()),
                *(
                    Compared(name, float(then).hex(), float(now).hex())
                    for name, then, now in zip(PROBABILITIES, recorded.probabilities, made.probabilities, strict=True)
                ),
                Compared("previous_hash", row.previous_hash, before),
                Compared("hash", row.hash, row.expected_hash),
            ),
        )

    def _state_of(self, row: LedgerRow) -> tuple[str, RecordedState]:
        """Any snapshot of the row's state will do: two of them differ in the forecasts they carry."""
        prefix = f"snapshots/{row.forecast.snapshot_hash}-"
        if self._state is None or not self._state[0].startswith(prefix):
            keys = self.objects.keys(prefix)
            if not keys:
                raise NotFound(
                    f"the snapshot {prefix}*, which forecast {row.forecast_id} was made from, is gone: {_COPY}"
                )
            content = self.objects.get(keys[0])
            if not keys[0].endswith(f"-{hashlib.sha256(content).hexdigest()[:12]}.sqlite"):
                raise SnapshotBroken(f"{keys[0]} was altered: its SHA-256 is not the one in its name; {_COPY}")
            try:
                opened = self.open_state(keys[0], content)
            except SnapshotBroken as error:
                raise SnapshotBroken(f"{keys[0]}: {error}; to replay as it was, {_check_out(row)}") from error
            if opened.state.code_hash != kernel_hash():
                raise SnapshotBroken(
                    f"{keys[0]} was made by feature code {opened.state.code_hash[:12]}, this is {kernel_hash()[:12]}: "
                    f"{_check_out(row)}"
                )
            self._state = (keys[0], opened)
        return self._state

    def _bundle_of(self, row: LedgerRow) -> Bundle:
        version = row.forecast.model_version
        if self._bundle is None or self._bundle[0] != version:
            try:
                files = {name: self.objects.get(f"models/{version}/{name}") for name in (MANIFEST, *SERVED_FILES)}
            except NotFound as error:
                raise NotFound(
                    f"the model {version}, which made forecast {row.forecast_id}, is gone or incomplete ({error}): "
                    f"{_COPY}, or run `matchcast promote {version}`, which writes it again"
                ) from error
            try:
                self._bundle = (version, load_bundle(files))
            except BundleBroken as error:
                raise BundleBroken(f"models/{version}/: {error}; to replay as it was, {_check_out(row)}") from error
        return self._bundle[1]


def _check_out(row: LedgerRow) -> str:
    """What to do where this code is not the code that made a row."""
    revision = row.forecast.code_revision
    if revision == "unknown":
        return f"replay with the code that made forecast {row.forecast_id}; the ledger does not know its git revision"
    return f"replay forecast {row.forecast_id} with the code that made it: git checkout {revision}"
