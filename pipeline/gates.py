"""Gates: a table is checked against a suite of expectations once, as it enters; a breach stops the pipeline."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import great_expectations as gx
import pandas as pd
from great_expectations.checkpoint import UpdateDataDocsAction
from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.expectation import Expectation

from matchcast.errors import GateFailed
from pipeline.files import replace_folder, unfinished_folder, write_json
from pipeline.paths import DOCS, VALIDATION
from pipeline.stage import say

EXAMPLES: Final = 5
_HIDDEN_KWARGS: Final = ("batch_id", "column", "column_list")


def pass_gate(name: str, table: pd.DataFrame, suite: Sequence[Expectation], key: str = "match_id") -> None:
    """Check a table; write the answer to data/validation/<name>.json and a report to data/docs/<name>/index.html.

    Args:
        key: column that names a row in messages.
    Raises:
        GateFailed: an expectation does not hold; the message names it, its column, how many rows break it and examples.
    """
    with unfinished_folder() as folder:
        results = _results(name, table, suite, folder)
        for walkthrough in folder.glob("static/images/*.gif"):
            walkthrough.unlink()
        replace_folder(folder, DOCS / name)
    answers = [_answer(result, table, key) for result in results]
    answers.sort(key=lambda answer: (answer["column"] or "", answer["expectation"]))
    failed = [answer for answer in answers if not answer["success"]]
    write_json(
        VALIDATION / f"{name}.json",
        {"suite": name, "success": not failed, "rows": len(table), "expectations": answers},
    )
    say(f"{name}: {len(table)} rows, {len(answers) - len(failed)} of {len(answers)} expectations hold")
    if failed:
        breaches = "\n  ".join(_sentence(answer) for answer in failed)
        raise GateFailed(
            f"gate {name} is closed, the data breaks its suite (pipeline/suites/{name}.py):\n  {breaches}\n"
            f"  full report: {DOCS / name / 'index.html'}"
        )


def _results(
    name: str, table: pd.DataFrame, suite: Sequence[Expectation], site: Path
) -> Sequence[ExpectationValidationResult]:
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    context.add_data_docs_site(
        site_name=name,
        site_config={
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(site.resolve())},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
    asset = context.data_sources.add_pandas("tables").add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe("all")
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(
            name=name, data=batch, suite=context.suites.add(gx.ExpectationSuite(name, expectations=list(suite)))
        )
    )
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name=name,
            validation_definitions=[definition],
            actions=[UpdateDataDocsAction(name="docs", site_names=[name])],
            result_format={"result_format": "SUMMARY", "partial_unexpected_count": EXAMPLES},
        )
    )
    answer = checkpoint.run(batch_parameters={"dataframe": table})
    (only,) = answer.run_results.values()
    results: Sequence[ExpectationValidationResult] = only.results
    return results


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
