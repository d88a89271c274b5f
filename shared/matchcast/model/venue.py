"""A match at a neutral venue, from forecasts of the same two clubs at home and away.

No match that the models learn from says that its venue was neutral: whoever stands first played at home. So a neutral venue
is taken to be no more the one club's than the other's: both orders are forecast, the second one mirrored, and pooled with
equal weights, by the same logarithmic pool as the members (Genest and Zidek 1986). In the models of paired comparison where
playing at home multiplies the chances of winning at home and divides those of losing by one factor (Davidson and Beaver
1977, "On extending the Bradley-Terry model to incorporate within-pair order effects"), this takes that factor out exactly.
"""

from math import exp, fsum, log

from matchcast.domain.forecast import LEAST_PROB, Probabilities


def neutral(at_home: Probabilities, away: Probabilities) -> Probabilities:
    """Chances at a neutral venue; with the clubs swapped they are the same to the bit, swapped.

    Args:
        at_home: with the first club at home.
        away: with the second club at home: its win is `home`.
    """
    pairs = ((at_home.home, away.away), (at_home.draw, away.draw), (at_home.away, away.home))
    pooled = [exp((log(max(one, LEAST_PROB)) + log(max(other, LEAST_PROB))) / 2) for one, other in pairs]
    total = fsum(pooled)
    return Probabilities(*(each / total for each in pooled))
