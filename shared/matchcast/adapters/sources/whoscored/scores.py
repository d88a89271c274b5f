"""Which score counts: that after 90 minutes, never made up."""

from typing import Final, NamedTuple

from matchcast.adapters.sources.tabular import Refused

Pair = tuple[int, int]


class Scores(NamedTuple):
    """What a finished match ended in: after 90 minutes, after extra time, and the shoot-out, where there was one."""

    ninety: Pair | None
    extra: Pair | None = None
    penalties: Pair | None = None


NO_SCORES: Final = Scores(None)
NO_PAIR: Final = (None, None)


class Unknowable(Refused):
    """The score after 90 minutes cannot be told from what the source says."""


def after_extra_time(ninety: Pair | None, final: Pair | None, penalties: Pair | None, *, shoot_out: bool) -> Scores:
    """The scores of a match that went on after 90 minutes.

    Args:
        ninety: after 90 minutes, where it is told or follows from the goals.
        final: before the shoot-out.
        shoot_out: whether there was one.
    Raises:
        Unknowable: one of them is not known, or they contradict one another.
    """
    if final is None:
        raise Unknowable("the score after extra time is not told; the match is kept without a result")
    if ninety is None:
        raise Unknowable("the score after 90 minutes cannot be told from the goals; the match is kept without a result")
    if ninety[0] > final[0] or ninety[1] > final[1]:
        raise Unknowable(
            f"the score after 90 minutes, {ninety[0]}-{ninety[1]}, is more than that after extra time,"
            f" {final[0]}-{final[1]}; the match is kept without a result"
        )
    if shoot_out and penalties is not None and penalties[0] == penalties[1]:
        penalties = None  # a shoot-out has a winner: what is told is not its end
    return Scores(ninety, final, penalties if shoot_out else None)
