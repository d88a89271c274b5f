"""Which price of a match stands when several are told for one bookmaker and moment: one rule, whatever the order."""

from collections.abc import Sequence

from matchcast.domain.match import Odds, OddsMoment


def stands_over(told: Odds, known: Odds) -> bool:
    """Whether a price told now takes the place of the one known, both of one bookmaker and one moment.

    The first opening price seen is the one: a dated one gives way only to an earlier one, and one without an instant to
    any dated one. Otherwise the last word counts: it is a correction.
    """
    if told.moment is OddsMoment.CLOSING or known.taken_at is None:
        return True
    return told.taken_at is not None and told.taken_at < known.taken_at


def standing_prices(told: Sequence[Odds]) -> tuple[Odds, ...]:
    """Of prices in the order they were told, the one that stands for each bookmaker and moment."""
    standing = {(price.bookmaker, price.moment): price for price in told}
    if len(standing) == len(told):
        return tuple(told)
    standing = {}
    for price in told:
        key = price.bookmaker, price.moment
        known = standing.get(key)
        if known is None or stands_over(price, known):
            standing[key] = price
    return tuple(standing.values())
