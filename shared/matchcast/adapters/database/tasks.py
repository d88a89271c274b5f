"""Tasks and their states."""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Update, bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from matchcast.adapters.database.engine import Database, among
from matchcast.adapters.database.tables import tasks
from matchcast.ports.events import Finished, Task, TaskState

_IT: Final = update(tasks).where(tasks.c.task_id == bindparam("of_task"))
_OPEN_STATES: Final = (TaskState.PENDING.value, TaskState.RUNNING.value)
_OPEN: Final = _IT.where(tasks.c.state.in_(_OPEN_STATES))
_FAILED: Final = _IT.where(tasks.c.state == TaskState.FAILURE.value)
_LOCK: Final = select(tasks.c.task_id).where(tasks.c.task_id == bindparam("of_task")).with_for_update()
_HOLD: Final = {
    sqlite: select(tasks.c.task_id, tasks.c.state)
    .where(among(tasks.c.task_id, "of_tasks", sqlite=sqlite))
    .order_by(tasks.c.task_id)  # so that two who hold some of the same wait for one another, not both
    .with_for_update()
    for sqlite in (False, True)
}
_ADD_TO_SQLITE: Final = sqlite_insert(tasks).on_conflict_do_nothing()
_ADD_TO_POSTGRESQL: Final = postgresql_insert(tasks).on_conflict_do_nothing()


class SqlTasks:
    """The `Tasks` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, *new: Task) -> None:
        add = _ADD_TO_SQLITE if self._database.is_sqlite else _ADD_TO_POSTGRESQL
        with self._database.writing() as connection:
            connection.execute(add, [task._asdict() | {"state": task.state.value} for task in new])

    def remove(self, task_id: str) -> bool:
        pending = (tasks.c.task_id == task_id) & (tasks.c.state == TaskState.PENDING.value)
        with self._database.writing() as connection:
            return connection.execute(delete(tasks).where(pending)).rowcount == 1

    def find(self, task_id: str) -> Task | None:
        with self._database.reading() as connection:
            row = connection.execute(select(tasks).where(tasks.c.task_id == task_id)).one_or_none()
        return None if row is None else Task(**{**row._mapping, "state": TaskState(row.state)})

    def start(self, task_id: str, now: datetime) -> bool:
        return self._change(_OPEN, task_id, state=TaskState.RUNNING.value, updated_at=now)

    def note(self, task_id: str, now: datetime, problem: Mapping[str, Any]) -> bool:
        return self._change(_OPEN, task_id, updated_at=now, problem=problem)

    def finish(
        self,
        task_id: str,
        now: datetime,
        *,
        result: Mapping[str, Any] | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> bool:
        state = _final(problem).value
        return self._change(_OPEN, task_id, state=state, updated_at=now, result=result, problem=problem)

    def hold(self, task_ids: Sequence[str]) -> Set[str]:
        with self._database.writing() as connection:
            rows = connection.execute(_HOLD[self._database.is_sqlite], {"of_tasks": list(task_ids)}).all()
        return {row.task_id for row in rows if row.state in _OPEN_STATES}

    def finish_all(self, finished: Sequence[Finished], now: datetime) -> None:
        rows = [
            {
                "of_task": one.task_id,
                "state": _final(one.problem).value,
                "updated_at": now,
                "result": one.result,
                "problem": one.problem,
            }
            for one in finished
        ]
        if rows:
            with self._database.writing() as connection:
                connection.execute(_IT, rows)

    def reopen(self, task_id: str, now: datetime) -> bool:
        with self._database.writing():
            task = self.find(task_id)
            if task is None:
                return False
            until = now + (task.expires_at - task.submitted_at)
            pending = TaskState.PENDING.value
            return self._change(_FAILED, task_id, state=pending, updated_at=now, expires_at=until, problem=None)

    def _change(self, those: Update, task_id: str, **values: Any) -> bool:
        """Whether the task was in one of those states; a change that another transaction is about to make is waited for."""
        row = {"of_task": task_id, **values}
        with self._database.writing() as connection:
            if connection.execute(those, row).rowcount == 1:
                return True
            if self._database.is_sqlite:
                return False
            # PostgreSQL passes over a row whose last committed state is another, whoever holds it
            connection.execute(_LOCK, {"of_task": task_id})
            return connection.execute(those, row).rowcount == 1


def _final(problem: Mapping[str, Any] | None) -> TaskState:
    return TaskState.SUCCESS if problem is None else TaskState.FAILURE
