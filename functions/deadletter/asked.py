"""Which letters are asked for."""

from typing import Annotated

from msgspec import Meta, Struct

from matchcast.fields import Plain


class AskedLetter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One letter."""

    letter_id: Annotated[Plain, Meta(min_length=1, max_length=64)]


class AskedLetters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Part of the list."""

    open: Annotated[bool, Meta(description="leave out those that were replayed and did not die again")] = False
    cursor: Annotated[Plain, Meta(max_length=200, description="`next` of the page before holds it")] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
