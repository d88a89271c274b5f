"""The answer to work that is accepted and done later."""

from typing import Final, Literal

from fastapi import Response

from matchcast.web.replies import Reply

RETRY_AFTER: Final = "5"
"""Seconds after which it makes sense to ask how a task stands."""


class AcceptedReply(Reply):
    """A task; `status_url` tells what becomes of it."""

    task_id: str
    status: Literal["submitted"]
    status_url: str


def accepted(response: Response, task_id: str) -> AcceptedReply:
    """The body for a task, with its headers set: 202, Location and Retry-After."""
    url = f"/monitoring/task_status/{task_id}"
    response.status_code = 202
    response.headers["Location"] = url
    response.headers["Retry-After"] = RETRY_AFTER
    return AcceptedReply(task_id=task_id, status="submitted", status_url=url)
