"""Which score counts: that after 90 minutes, never made up."""

from typing import Final, NamedTuple

from matchcast.adapters.sources.tabular import Refused
from matchcast.domain.match import MAX_GOALS

Pair = tuple[int, int]


class Scores(NamedTuple):
    """What a finished match ended in: after 90 minutes, after extra time, and the shoot-out, where there was one.

    Attributes:
        went_on: after 90 minutes it was not over; what is counted of it may be of extra time too.
        remark: what was left out, and why.
    """

    ninety: Pair | None
    extra: Pair | None = None
    penalties: Pair | None = None
    went_on: bool = False
    remark: str | None = None


NO_SCORES: Final = Scores(None)
NO_PAIR: Final = (None, None)


class Unknowable(Refused):
    """The score after 90 minutes cannot be told from what the source says."""


def shoot_out_of(home: int | None, away: int | None) -> Pair | None:
    """A shoot-out; None where what is told is not its end, for it has a winner."""
    if home is None or away is None or home == away or not (0 <= home <= MAX_GOALS and 0 <= away <= MAX_GOALS):
        return None
    return home, away


def after_90(
    ninety: Pair | None, final: Pair | None, extra: Pair | None, kicks: tuple[int | None, int | None], clock: str
) -> Scores:
    """The scores of a match that went on after 90 minutes. A shoot-out may follow these without extra time.

    Args:
        ninety: after 90 minutes, where it is told or follows from the goals.
        final: before the shoot-out.
        extra: of extra time by itself, or after it: sources tell either. Alone it tells nothing.
        kicks: of the shoot-out, as told.
        clock: as `clock_of` gives it.
    Raises:
        Unknowable: that after 90 minutes is not known, or contradicts the final one.
    """
    if ninety is None:
        raise Unknowable("the score after 90 minutes cannot be told from the goals; the match is kept without a result")
    penalties, remark = shoot_out_of(*kicks), None
    if penalties is None and (clock == "pen" or any(kicks)):
        remark = f"the shoot-out's score is told as {kicks[0]}-{kicks[1]}; it is left out"
    shot = Scores(ninety, None, penalties, True, remark)
    if final is None:
        return shot._replace(remark="the score at the end is not told; that after extra time is left out")
    in_extra_time = final[0] - ninety[0], final[1] - ninety[1]
    if penalties in (final, in_extra_time):
        return shot._replace(remark="the score at the end counts the shoot-out; that after extra time is left out")
    if min(in_extra_time) < 0:
        raise Unknowable(
            f"the score after 90 minutes, {ninety[0]}-{ninety[1]}, is more than that after extra time,"
            f" {final[0]}-{final[1]}; the match is kept without a result"
        )
    if extra not in (None, final, in_extra_time):
        return shot._replace(
            remark=f"the scores after 90 minutes, {ninety[0]}-{ninety[1]}, of extra time, {extra[0]}-{extra[1]}, and at"
            f" the end, {final[0]}-{final[1]}, contradict one another; that after extra time is left out"
        )
    played = clock == "aet" or final == extra or final != ninety
    return shot._replace(extra=final if played else None)
