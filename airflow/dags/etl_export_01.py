"""Every day: the database's content as it was known then, as parquet files in the object store."""

from datetime import UTC, datetime, timedelta
from typing import Final

from airflow.sdk import DAG
from calling import defaults
from commanding import command

AS_OF: Final = "{{ (data_interval_end | default(none) or dag_run.run_after).isoformat() }}"

with DAG(
    "etl_export_01",
    description="Every day: the database's content as it was known then, as parquet files in the object store",
    schedule="30 5 * * *",
    start_date=datetime(2025, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=defaults(),
    tags=["matchcast", "ingestion"],
):
    command(
        "export",
        f"matchcast export --as-of {AS_OF} --to var/snapshot --store",
        execution_timeout=timedelta(hours=1),
    )
