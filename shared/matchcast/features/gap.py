"""GAP ratings: generalised attacking performance, on shots, shots on target and corners.

Wheatcroft (2020), "A profitable model for predicting the over/under market in football", section 3: each team has a home
attack, home defence, away attack and away defence rating; the expected count of a side is the mean of its attack and the
opponent's defence at the venue; observed minus expected moves the venue's own rating by lambda phi and the other venue's
by lambda (1 - phi); ratings never fall below 0.
"""

from typing import Final

GAP_LAMBDA: Final = 0.25
GAP_PHI: Final = 0.6


def gap_expected(attack: float, defence: float) -> float:
    """Expected count of the attacking side."""
    return 0.5 * (attack + defence)


def gap_moved(rating: float, share: float, observed: float, expected: float) -> float:
    """The rating after a match; `share` is phi for the venue's own rating and 1 - phi for the other venue's."""
    moved = rating + GAP_LAMBDA * share * (observed - expected)
    return moved if moved > 0.0 else 0.0
