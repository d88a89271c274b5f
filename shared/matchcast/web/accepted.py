"""The answer to work that is accepted and done later."""

from typing import Final, Literal

from fastapi import Response

from matchcast.web.replies import Reply

_RETRY_AFTER: Final = {"prediction": "1"}


def retry_after(kind: str) -> str:
    """Seconds after which it makes sense to ask how a task of this kind stands."""
    return _RETRY_AFTER.get(kind, "5")


class AcceptedReply(Reply):
    """A task; `status_url` tells what becomes of it."""

    task_id: str
    status: Literal["submitted"]
    status_url: str


def accepted(response: Response, task_id: str, kind: str = "scrape") -> AcceptedReply:
    """The body for a task, with its headers set: 202, Location and Retry-After."""
    url = f"/monitoring/task_status/{task_id}"
    response.status_code = 202
    response.headers["Location"] = url
    response.headers["Retry-After"] = retry_after(kind)
    return AcceptedReply(task_id=task_id, status="submitted", status_url=url)
