"""Every week, and by hand: train anew on what is known now, and say what the gate answered."""

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from airflow.sdk import DAG, task
from calling import defaults, refusal
from commanding import PROJECT, command

ANSWERS: Final = "data/promotion"
_LOG: Final = logging.getLogger(__name__)


@task
def promotion_check(project: str) -> dict[str, Any]:
    """What the gate recorded; a no is an answer too, and the champion before goes on."""
    gate, promoted = (_read(Path(project, ANSWERS, name)) for name in ("gate.json", "promoted.json"))
    for check in gate["checks"]:
        _LOG.info("%s %s: %s", "yes" if check["passed"] else "NO ", check["name"], check["detail"])
    _LOG.info("champion: %s", promoted["champion"])
    return {
        "candidate": gate["candidate"],
        "promoted": promoted["promoted"],
        "champion": promoted["champion"],
        "refused_by": [check["name"] for check in gate["checks"] if not check["passed"]],
    }


def _read(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise refusal(
            f"{file}: cannot be read ({error}); run `dvc repro promote_model`", None, 404, "not-found"
        ) from error
    return found


with DAG(
    "retraining",
    description="Every week: export, dvc repro, and what the promotion gate answered",
    schedule="0 7 * * 1",
    start_date=datetime(2025, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=defaults(),
    tags=["matchcast", "model"],
):
    # a retry of the training must find the export of the try before, or it begins from the start
    export = command("export", "matchcast export", execution_timeout=timedelta(hours=1))
    train = command("train", "dvc repro", retries=1, execution_timeout=timedelta(hours=4))
    export >> train >> promotion_check(PROJECT)
