"""Gates: a table is checked against a suite of expectations once, as it enters; a breach stops the pipeline."""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final, NamedTuple

import great_expectations as gx
import pandas as pd
from great_expectations.core.expectation_validation_result import (
    ExpectationSuiteValidationResult,
    ExpectationValidationResult,
)
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.expectation import Expectation

from matchcast.errors import GateFailed
from pipeline.data_docs import kept_results, write_site
from pipeline.files import write_json
from pipeline.match_table import as_of_of
from pipeline.paths import DOCS, RESULTS, VALIDATION
from pipeline.stage import say

EXAMPLES: Final = 5
_HIDDEN_KWARGS: Final = ("batch_id", "column", "column_list")


class DataVersion(NamedTuple):
    """The export that a gate's table comes from: its hash, and the instant it stands for."""

    hash: str
    as_of: datetime

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "DataVersion":
        """From the export's manifest."""
        return cls(str(manifest["data_version"]), as_of_of(dict(manifest)))


def pass_gate(
    name: str, table: pd.DataFrame, suite: Sequence[Expectation], data: DataVersion, key: str = "match_id"
) -> None:
    """Check a table; write the answer to data/validation/<name>.json and what Data Docs show to results/ beside it.

    A gate that closes writes data/docs at once, with itself and the gates that the same data passed before.

    Args:
        name: one of `data_docs.SUITES`.
        key: column that names a row in messages.
    Raises:
        GateFailed: an expectation does not hold; the message names it, its column, how many rows break it and examples.
    """
    result = _result(name, table, suite, data, key)
    answers = [_answer(each, table, key) for each in result.results]
    answers.sort(key=lambda answer: (answer["column"] or "", answer["expectation"]))
    failed = [answer for answer in answers if not answer["success"]]
    write_json(RESULTS / f"{name}.json", result.to_json_dict())
    write_json(
        VALIDATION / f"{name}.json",
        {
            "suite": name, "data_version": data.hash, "success": not failed, "rows": len(table), "expectations": answers,
        },
    )  # fmt: skip
    say(f"{name}: {len(table)} rows, {len(answers) - len(failed)} of {len(answers)} expectations hold")
    if failed:
        write_site([kept for kept in kept_results() if kept["meta"]["run_id"]["run_name"] == data.hash])
        breaches = "\n  ".join(_sentence(answer) for answer in failed)
        raise GateFailed(
            f"gate {name} is closed, the data breaks its suite (pipeline/suites/{name}.py):\n  {breaches}\n"
            f"  full report: {DOCS / 'index.html'}"
        )


def _result(
    name: str, table: pd.DataFrame, suite: Sequence[Expectation], data: DataVersion, key: str
) -> ExpectationSuiteValidationResult:
    """What Great Expectations says; its account of when and where it ran gives way to the data's version."""
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    definition = (
        context.data_sources.add_pandas("tables").add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
    )
    parts = [
        definition.get_batch({"dataframe": _narrow(table, columns or (key,))}).validate(
            gx.ExpectationSuite(name, expectations=list(expectations)),
            result_format={"result_format": "SUMMARY", "partial_unexpected_count": EXAMPLES},
        )
        for columns, expectations in groupby(sorted(suite, key=_columns), key=_columns)
    ]
    results = [result for part in parts for result in part.results]
    held = sum(bool(result.success) for result in results)
    kept = ("great_expectations_version", "active_batch_definition")
    return ExpectationSuiteValidationResult(
        success=held == len(results),
        results=results,
        suite_name=name,
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": held,
            "unsuccessful_expectations": len(results) - held,
            "success_percent": 100.0 * held / len(results),
        },
        meta={entry: parts[0].meta[entry] for entry in kept}
        | {"run_id": {"run_name": data.hash, "run_time": data.as_of.isoformat()}},
    )


def _columns(expectation: Expectation) -> tuple[str, ...]:
    """The columns that an expectation looks at."""
    column = getattr(expectation, "column", None)
    return (column,) if column is not None else tuple(getattr(expectation, "column_list", ()))


def _narrow(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """These columns, where they exist: a whole table would be copied many times an expectation.

    Numbers get 64 bits: others are compared one by one.
    """
    narrow = table[[name for name in columns if name in table.columns]]
    wide = {name: f"{kind.kind}8" for name, kind in narrow.dtypes.items() if kind.kind in "if"}
    return narrow.astype(wide)


def _answer(result: ExpectationValidationResult, table: pd.DataFrame, key: str) -> dict[str, Any]:
    config = result.expectation_config
    assert config is not None
    column = config.kwargs.get("column")
    found = result.result
    rows = found.get("partial_unexpected_index_list") or []
    values = found.get("partial_unexpected_list") or []
    examples = [
        f"{key} {table[key].iloc[row]}: {_plain(value)}" if key in table.columns else f"row {row}: {_plain(value)}"
        for row, value in zip(rows, values, strict=True)
    ]
    missing = column is not None and column not in table.columns
    return {
        "expectation": config.type,
        "column": column if column is not None else ", ".join(config.kwargs.get("column_list", ())) or None,
        "bounds": {k: _plain(v) for k, v in sorted(config.kwargs.items()) if k not in _HIDDEN_KWARGS},
        "success": bool(result.success),
        "unexpected_rows": found.get("unexpected_count"),
        "observed": _plain(found.get("observed_value")),
        "examples": examples,
        "problem": "the column is missing" if missing else _exception(result),
    }


def _exception(result: ExpectationValidationResult) -> str | None:
    info = result.exception_info or {}
    entries = [info] if "raised_exception" in info else list(info.values())
    return next((str(e["exception_message"]) for e in entries if e["raised_exception"]), None)


def _plain(value: Any) -> Any:
    """As JSON holds it."""
    if hasattr(value, "item"):
        value = value.item()
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return str(value)


def _sentence(answer: dict[str, Any]) -> str:
    subject = f"column {answer['column']}" if answer["column"] else "the table"
    bounds = ", ".join(f"{k} {v}" for k, v in answer["bounds"].items())
    text = f"{subject}: {answer['expectation']}" + (f" ({bounds})" if bounds else "") + " does not hold"
    if answer["problem"]:
        return f"{text}: {answer['problem']}"
    if answer["unexpected_rows"]:
        return f"{text} in {answer['unexpected_rows']} rows, for example {'; '.join(answer['examples'])}"
    return f"{text}: observed {answer['observed']}"
