"""Month by month: `airflow backfill create --dag-id etl_livescores_03 --from-date 2019-07-01 --to-date 2020-06-30`."""

from datetime import UTC, datetime

from airflow.sdk import DAG, CronDataIntervalTimetable
from calling import defaults
from scraping import days_of_interval, params, scrape

with DAG(
    "etl_livescores_03",
    description="Every month: the whole month before; backfill reads a range of months",
    schedule=CronDataIntervalTimetable("0 0 1 * *", timezone="UTC"),
    start_date=datetime(1998, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=defaults(),
    params=params(),
    tags=["matchcast", "ingestion"],
):
    scrape(days_of_interval)
