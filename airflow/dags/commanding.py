"""What the DAGs share that run a program of the project, in the project's own environment.

Variables: `matchcast_project`, the checkout's folder; `matchcast_programs`, where its programs are, by default
`.venv/bin` in it. A program reads its settings from the worker's environment.
"""

from __future__ import annotations

from typing import Any, Final

from airflow.providers.standard.operators.bash import BashOperator

PROJECT: Final = "{{ var.value.matchcast_project }}"
PROGRAMS: Final = "{{ var.value.get('matchcast_programs', var.value.matchcast_project ~ '/.venv/bin') }}"


def command(task_id: str, line: str, **kwargs: Any) -> BashOperator:
    """A task that runs a command line in the project's folder."""
    return BashOperator(
        task_id=task_id,
        bash_command=f'export PATH="$PROGRAMS:$PATH"; exec {line} ',
        cwd=PROJECT,
        env={"PROGRAMS": PROGRAMS},
        append_env=True,
        skip_on_exit_code=None,
        **kwargs,
    )
