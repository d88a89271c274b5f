"""Every day: asks for the check that the PingSource drift-daily asks for; where both do, it is made once."""

from datetime import UTC, datetime
from typing import Final

from airflow.sdk import DAG, get_current_context, task
from calling import INFERENCE, defaults, due, named_id, publish, written

SOURCE: Final = "/apis/v1/namespaces/matchcast/pingsources/drift-daily"


@task
def ask() -> None:
    """Publish the event."""
    at = due(get_current_context())
    id_ = named_id(SOURCE, written(at))
    publish(INFERENCE, id_=id_, source=SOURCE, type_="dev.knative.sources.ping", time=at, data={})


with DAG(
    "drift",
    description="Every day at 06:00 UTC: recent matches beside the champion's reference",
    schedule="0 6 * * *",
    start_date=datetime(2025, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=defaults(),
    tags=["matchcast", "model"],
):
    ask()
