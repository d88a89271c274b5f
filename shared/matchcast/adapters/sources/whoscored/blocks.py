"""Pages that say we are not welcome."""


def block_reason(content: bytes, status: int) -> str | None:
    """Why this answer is a refusal, in words for a person; None where it is none.

    Args:
        content: the body of the answer.
        status: of the HTTP answer.
    """
    if status in (403, 429):
        return f"it answered {status}"
    return None
