"""What real Airflow finds in a folder of DAGs, as JSON; run by its own interpreter, apart from pytest."""

import json
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch


def parse(folder: str) -> dict[str, Any]:
    """Load every DAG where nothing can connect, nor read a Variable or Connection."""
    # of this interpreter; the one that checks types has no Airflow
    dagbag = import_module("airflow.dag_processing.dagbag")
    context = import_module("airflow.sdk.execution_time.context")

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("this is no work for a file that is parsed")

    loaded = set(sys.modules)
    with (
        patch.object(socket.socket, "connect", refuse),
        patch.object(context, "_get_variable", refuse),
        patch.object(context, "_get_connection", refuse),
    ):
        bag = dagbag.BundleDagBag(folder, bundle_path=Path(folder), bundle_name="dags-folder")
    return {
        "errors": bag.import_errors,
        "seconds": {Path(stat.file).name: stat.duration.total_seconds() for stat in bag.dagbag_stats},
        "imported": sorted(set(sys.modules) - loaded),
        "dags": {dag_id: _dag(dag) for dag_id, dag in bag.dags.items()},
    }


def _dag(dag: Any) -> dict[str, Any]:
    return {
        "file": Path(dag.fileloc).name,
        "schedule": getattr(dag.timetable, "expression", None),
        "interval": type(dag.timetable).__name__,
        "catchup": dag.catchup,
        "start": dag.start_date.isoformat(),
        "params": {name: dag.params.get_param(name).schema for name in dag.params},
        "tasks": {task.task_id: _task(task) for task in dag.tasks},
    }


def _task(task: Any) -> dict[str, Any]:
    return {
        "retries": task.retries,
        "retry_seconds": task.retry_delay.total_seconds(),
        "on_failure": [callback.__name__ for callback in task.on_failure_callback],
        "downstream": sorted(task.downstream_task_ids),
        "mode": getattr(task, "mode", None),
        "poll_seconds": getattr(task, "poke_interval", None),
        "wait_seconds": getattr(task, "timeout", None),
    }


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(parse(sys.argv[1])) + "\n")
