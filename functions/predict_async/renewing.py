"""What all forecasts are renewed with; numba is reached from here alone."""

from matchcast.adapters.snapshot_writer import SnapshotWriter
from matchcast.ports.cache import SNAPSHOT
from matchcast.usecases.renew import Renewer
from matchcast.web.connections import Connections


def renewer_with(to: Connections, service: str) -> Renewer:
    """Everything that renewing opens, from one instance's connections."""
    return Renewer(
        service=service,
        objects=to.store,
        history=to.history().history,
        ledger=to.renewed_ledger(),
        inbox=to.inbox(),
        turns=to.turns(),
        write=SnapshotWriter(to.cache_dir),
        code_revision=to.code_revision(),
        now=to.now,
        tell=lambda: to.tell(SNAPSHOT),
    )
