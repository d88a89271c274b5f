"""Every hour: the results of the last three days."""

from datetime import UTC, datetime

from airflow.sdk import DAG
from calling import defaults
from scraping import days_around, params, scrape

with DAG(
    "etl_livescores_01",
    description="Every hour: the results of the last three days",
    schedule="0 * * * *",
    start_date=datetime(2025, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=defaults(),
    params=params(),
    tags=["matchcast", "ingestion"],
):
    scrape(days_around(before=3, after=0))
