"""Every day: the database's content as parquet files, in the object store."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from calling import defaults
from commanding import command

with DAG(
    "etl_export_01",
    description="Every day: the database's content as parquet files, in the object store",
    schedule="30 5 * * *",
    start_date=datetime(2025, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=defaults(),
    tags=["matchcast", "ingestion"],
):
    command("export", "matchcast export --to var/snapshot --store", execution_timeout=timedelta(hours=1))
