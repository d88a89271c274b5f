"""Tasks and their states."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import tasks
from matchcast.ports.events import Task, TaskState

_OPEN: Final = (TaskState.PENDING.value, TaskState.RUNNING.value)


class SqlTasks:
    """The `Tasks` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, task: Task) -> None:
        insert = sqlite_insert if self._database.is_sqlite else postgresql_insert
        row = task._asdict() | {"state": task.state.value}
        with self._database.writing() as connection:
            connection.execute(insert(tasks).values(row).on_conflict_do_nothing())

    def remove(self, task_id: str) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(tasks).where(tasks.c.task_id == task_id))

    def find(self, task_id: str) -> Task | None:
        with self._database.reading() as connection:
            row = connection.execute(select(tasks).where(tasks.c.task_id == task_id)).one_or_none()
        return None if row is None else Task(**{**row._mapping, "state": TaskState(row.state)})

    def start(self, task_id: str, now: datetime) -> bool:
        return self._change(task_id, _OPEN, state=TaskState.RUNNING.value, updated_at=now)

    def finish(
        self,
        task_id: str,
        now: datetime,
        *,
        result: Mapping[str, Any] | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> bool:
        state = TaskState.SUCCESS if problem is None else TaskState.FAILURE
        return self._change(task_id, _OPEN, state=state.value, updated_at=now, result=result, problem=problem)

    def reopen(self, task_id: str, now: datetime) -> bool:
        failed = (TaskState.FAILURE.value,)
        return self._change(task_id, failed, state=TaskState.PENDING.value, updated_at=now, problem=None)

    def _change(self, task_id: str, states: Sequence[str], **values: Any) -> bool:
        change = update(tasks).where(tasks.c.task_id == task_id, tasks.c.state.in_(states)).values(values)
        with self._database.writing() as connection:
            return connection.execute(change).rowcount == 1
