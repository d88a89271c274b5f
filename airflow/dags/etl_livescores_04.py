"""By hand: the days from one to another."""

from datetime import UTC, date, datetime
from typing import Final

from airflow.sdk import DAG, Context, Param
from calling import defaults, refusal
from scraping import Days, params, scrape

LONGEST: Final = 90


def days_given(context: Context) -> Days:
    """What the run's params say."""
    first, last = (_day(context, name) for name in ("from", "to"))
    if last < first:
        raise refusal(f"to: {last} is before from, {first}; give a later day", "to")
    if (last - first).days >= LONGEST:
        raise refusal(f"to: {first} to {last} are more than {LONGEST} days; trigger several runs", "to")
    return first, last


def _day(context: Context, name: str) -> date:
    told = context["params"][name]
    if told is None:
        raise refusal(f"{name}: is missing; give a day such as 2025-03-31", name)
    return date.fromisoformat(told)


with DAG(
    "etl_livescores_04",
    description="By hand: the days from one to another, at most 90",
    schedule=None,
    start_date=datetime(2025, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=defaults(),
    params=params()
    | {
        "from": Param(None, type=["null", "string"], format="date", description="first day"),
        "to": Param(None, type=["null", "string"], format="date", description="last day, at most 90 with the first"),
    },
    tags=["matchcast", "ingestion"],
):
    scrape(days_given)
