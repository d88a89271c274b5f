"""Reports on drift."""

from typing import Any

from sqlalchemy import Row, insert, select

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import drift_reports
from matchcast.ports.scores import ColumnDrift, DriftReport


class SqlDriftReports:
    """The `DriftReports` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, report: DriftReport) -> None:
        row = report._asdict() | {"columns": [column._asdict() for column in report.columns]}
        with self._database.writing() as connection:
            connection.execute(insert(drift_reports).values(row))

    def find(self, report_id: str) -> DriftReport | None:
        with self._database.reading() as connection:
            query = select(drift_reports).where(drift_reports.c.report_id == report_id)
            return _report(connection.execute(query).one_or_none())

    def latest(self) -> DriftReport | None:
        order = (drift_reports.c.checked_at.desc(), drift_reports.c.report_id)
        with self._database.reading() as connection:
            return _report(connection.execute(select(drift_reports).order_by(*order).limit(1)).one_or_none())


def _report(row: Row[Any] | None) -> DriftReport | None:
    if row is None:
        return None
    return DriftReport(**{**row._mapping, "columns": tuple(ColumnDrift(**column) for column in row.columns)})
