"""Stage: Data Docs, one site for the gates of a run: an index, each gate's suite and what came of it."""

import logging
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Final

import great_expectations as gx
from great_expectations.core.expectation_validation_result import (
    ExpectationSuiteValidationResult,
    ExpectationSuiteValidationResultSchema,
)
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.store import TupleFilesystemStoreBackend
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)
from great_expectations.render.view import DefaultJinjaIndexPageView, DefaultJinjaPageView

from pipeline.files import read_json, replace_folder, unfinished_folder
from pipeline.paths import DOCS, RESULTS
from pipeline.stage import run_stage, say

SUITES: Final = ("raw", "finished", "future", "features")
"""The gates, in the order they are asked."""


def main() -> None:
    """Read data/validation/results, write data/docs."""
    write_site(kept_results())
    say(f"Data Docs: {DOCS / 'index.html'}")


def kept_results() -> list[dict[str, Any]]:
    """What the gates that were asked so far found, in the order they are asked."""
    files = (RESULTS / f"{name}.json" for name in SUITES)
    return [read_json(file) for file in files if file.exists()]


def write_site(results: Sequence[Mapping[str, Any]]) -> None:
    """Write data/docs from results as `gates.pass_gate` keeps them; equal results give equal bytes."""
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    for kept in results:
        _add(context, ExpectationSuiteValidationResultSchema().load(kept))
    with unfinished_folder() as folder:
        context.add_data_docs_site("gates", _site(str(folder.resolve())))
        context.build_data_docs(["gates"])
        for walkthrough in folder.glob("static/images/*.gif"):
            walkthrough.unlink()
        replace_folder(folder, DOCS)


def _add(context: Any, result: ExpectationSuiteValidationResult) -> None:
    name, run = result.suite_name, result.meta["run_id"]
    expectations = [answer.expectation_config for answer in result.results]
    context.suites.add(gx.ExpectationSuite(name, expectations=expectations))
    key = ValidationResultIdentifier(
        expectation_suite_identifier=ExpectationSuiteIdentifier(name),
        run_id=RunIdentifier(run["run_name"], run["run_time"]),
        batch_identifier=name,
    )
    context.validation_results_store.add(key, result)


def _site(folder: str) -> dict[str, Any]:
    page, index = ({"module_name": "pipeline.data_docs", "class_name": view} for view in ("PageView", "IndexView"))
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {
            "module_name": "pipeline.data_docs",
            "class_name": "SortedFiles",
            "base_directory": folder,
        },
        "site_section_builders": {"expectations": {"view": page}, "validations": {"view": page}},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "view": index},
    }


class SortedFiles(TupleFilesystemStoreBackend):  # type: ignore[misc]
    """The site's files, listed in one order on every file system."""

    def list_keys(self, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        return sorted(super().list_keys(prefix))


class PageView(DefaultJinjaPageView):  # type: ignore[misc]
    """Great Expectations' page without what differs from one writing to the next: random ids and times in links."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ids = count(1)

    def generate_html_element_uuid(self, prefix: str | None = None) -> str:
        return f"{prefix or ''}{next(self._ids)}"

    def add_data_context_id_to_url(self, url: str, add_datetime: bool = True) -> str:
        return url


class IndexView(PageView, DefaultJinjaIndexPageView):  # type: ignore[misc]
    """The same for the index."""


if __name__ == "__main__":
    run_stage(main)
