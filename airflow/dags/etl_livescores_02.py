"""Every day: the fixtures of the next fifteen days."""

from datetime import UTC, datetime

from airflow.sdk import DAG
from calling import defaults
from scraping import days_around, params, scrape

with DAG(
    "etl_livescores_02",
    description="Every day: the fixtures of the next fifteen days",
    schedule="30 4 * * *",
    start_date=datetime(2025, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=defaults(),
    params=params(),
    tags=["matchcast", "ingestion"],
):
    scrape(days_around(before=0, after=15))
