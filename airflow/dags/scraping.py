"""What the ETL DAGs share: ask scrape to read a source for some days, and wait for what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseSensorOperator, Context, Param, PokeReturnValue, Variable, conf, get_current_context, task
from airflow.sdk.exceptions import AirflowSensorTimeout
from calling import Away, Refused, call, due, key_of, passes, refusal

Days = tuple[date, date]
SOURCE: Final = "football-data"


def params() -> dict[str, Any]:
    """Of every run: what is read. Without a source the Variable `matchcast_source` says it, else football-data."""
    return {
        "source": Param(None, type=["null", "string"], description="such as football-data or whoscored"),
        "tournaments": Param([], type="array", items={"type": "string"}, description="ids; none means all"),
    }


def days_around(before: int, after: int) -> Callable[[Context], Days]:
    """From so many days before the day that a run is for, to so many after it."""

    def days(context: Context) -> Days:
        today = due(context).date()
        return today - timedelta(days=before), today + timedelta(days=after)

    return days


def days_of_interval(context: Context) -> Days:
    """The days of a run's data interval."""
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if start is None or end is None:
        raise refusal("logical_date: the run has none, and so no month; trigger it with one", "logical_date")
    return start.date(), (end - timedelta(microseconds=1)).date()


def scrape(days: Callable[[Context], Days]) -> None:
    """The two tasks `ask` and `wait` of the DAG that is being made."""

    def asked(context: Context, *more: str) -> str:
        first, last = days(context)
        given: Mapping[str, Any] = context["params"]
        body = {
            "source": given["source"] or Variable.get("matchcast_source", default=SOURCE),
            "from": first.isoformat(),
            "to": last.isoformat(),
            "tournaments": list(given["tournaments"]),
        }
        answer = call("POST", "/scrape", body=body, headers={"Idempotency-Key": key_of(context, *more)})
        return str(answer.json()["task_id"])

    @task
    def ask() -> str:
        """POST /scrape; the same scrape however often it is tried."""
        return asked(get_current_context())

    ScrapeEnds(task_id="wait", scrape=ask(), again=asked)


class ScrapeEnds(BaseSensorOperator):
    """Waits for a scrape; gives the counts of its matches, or fails with the reason that the function tells.

    A scrape that failed of a passing fault, such as a source that does not answer, fails the try, and the next try asks
    for another scrape.

    Between two looks it holds no worker: it is deferred where `[operators] default_deferrable` says that a triggerer
    runs, and rescheduled elsewhere.
    """

    template_fields = ("scrape",)

    def __init__(self, *, scrape: Any, again: Callable[..., str], **kwargs: Any) -> None:
        super().__init__(
            mode="reschedule",
            poke_interval=conf.getint("matchcast", "poll_seconds", fallback=60),
            timeout=conf.getint("matchcast", "wait_seconds", fallback=3600),
            **kwargs,
        )
        self.scrape = scrape
        self.again = again

    def execute(self, context: Context) -> Any:
        if conf.getboolean("operators", "default_deferrable", fallback=False):
            return self.look(context)
        return super().execute(context)

    def look(self, context: Context, event: Any = None, until: float | None = None) -> Any:
        """Look once, and again after a pause, until this instant (Unix seconds)."""
        looked = self.poke(context)
        if not looked:
            now = time.time()
            until = now + self.timeout if until is None else until
            if now >= until:
                raise AirflowSensorTimeout(f"scrape {self.scrape} has not ended in {self.timeout:g} seconds")
            pause = TimeDeltaTrigger(timedelta(seconds=self.poke_interval))
            self.defer(trigger=pause, method_name=self.look.__name__, kwargs={"until": until})
        return looked.xcom_value

    def poke(self, context: Context) -> PokeReturnValue:
        try:
            told = self._last(context)
        except Away as error:
            self.log.warning("how the scrape stands is not known now: %s", error)
            return PokeReturnValue(is_done=False)
        if _failed_for_now(told):
            raise Away(told["problem"]["detail"], told["problem"])
        if told["status"] == "failure":
            raise Refused(told["problem"])
        self.log.info("scrape %s: %s", told["task_id"], told["status"])
        return PokeReturnValue(told["status"] == "success", (told["result"] or {}).get("matches"))

    def _last(self, context: Context) -> Any:
        """How the last scrape of this run stands: the first, or one that a later try asked for, whoever looks."""
        ti = context["ti"]
        told = _standing(self.scrape)
        for number in range(2, ti.try_number - ti.max_tries + (self.retries or 0) + 1):
            if not _failed_for_now(told):
                break
            told = _standing(self.again(context, str(number)))
        return told


def _standing(scrape: str) -> Any:
    return call("GET", f"/monitoring/task_status/{scrape}").json()


def _failed_for_now(told: Any) -> bool:
    return told["status"] == "failure" and passes(told["problem"]["status"])
