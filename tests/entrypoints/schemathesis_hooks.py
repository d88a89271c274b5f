"""A check that schemathesis runs on every answer beside its own."""

import re
from typing import Any, Final

import schemathesis
from schemathesis import Case, CheckContext, Response

UNTOLD: Final = (
    r"cursor: this is no cursor of ours",
    r"team: a name may be borne by clubs of several countries",
    r"body: give match_id, or home_team, away_team, tournament and kickoff_at",
    r"(match_id|matches): says it all",
    r"(explain|interval): is not told of what is only assumed",
    r"assume: changes nothing that the model reads",
    r"match_id: expected integer, got string",  # where a link follows a pairing that is in no fixture list
    r"expected integer( or null)?, got number",  # 1.0: JSON Schema counts it among the integers
    r"is not between 1870 and 2200",
    r"is no date that exists",
    r"is blank",
    r"source: .* is not configured",
    r"tournaments: .* is no tournament's id",
    r"(from|to): .*(give a later day|at most 366 days)",
    r"Idempotency-Key: was sent with another body before",
)
"""What makes a request wrong that JSON Schema cannot tell: fields that depend on one another, and what only we know."""


@schemathesis.check
def refused_only_for_what_no_schema_tells(ctx: CheckContext, response: Response, case: Case[Any]) -> bool | None:
    """In place of positive_data_acceptance: 422 to what the document allows says one of these things."""
    generated = case.meta is not None and case.meta.generation.mode.is_positive
    if generated and response.status_code == 422:
        faults = [error["detail"] for error in response.json().get("errors", ())] or [response.json()["detail"]]
        others = [fault for fault in faults if not any(re.search(known, fault) for known in UNTOLD)]
        assert not others, f"the document allows what is refused: {others}"
    return None
