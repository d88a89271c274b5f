"""What watching for drift is done with; numba, pandas and Evidently are reached from here alone."""

from datetime import datetime
from functools import partial

from matchcast.adapters.evidently_report import compare
from matchcast.adapters.reference_file import read_reference
from matchcast.features.columns import MatchColumns
from matchcast.settings import DriftSettings
from matchcast.usecases.drift import DriftWatch
from matchcast.web.connections import Connections


def watch_with(to: Connections, settings: DriftSettings, service: str) -> DriftWatch:
    """Everything that watching opens, from one instance's connections."""
    history = to.history()

    def matches(as_of: datetime) -> MatchColumns:
        return history.history(as_of, ()).matches

    return DriftWatch(
        service=service,
        objects=to.store,
        history=matches,
        prices=to.prices(),
        read_reference=read_reference,
        compare=partial(compare, share=settings.drift_threshold),
        reports=to.drift_reports(),
        inbox=to.inbox(),
        threshold=settings.drift_threshold,
        days=settings.drift_days,
    )
