"""Which clubs some names of one source mean, told by who played whom on which day.

A match of a name and one of a club agree when they are of one tournament, at most a day apart (time zones, dates
without a time), at the same side (home or away), against the same opponent, with the same result where both tell one.
A name means a club when

- five matches or more agree, against opponents that are settled, or are being settled along and both tell the result;
- on no day both play and the other match is another one (another opponent, or the other side);
- at most one match for twenty that agree is in dispute: its result differs, or its opponent is open, though the source
  has a name for the club's opponent;
- the source has no other name for the club, and no other club can be this name, nor this club another name: can be,
  that is, with one match that may agree, none against, and at most one in dispute for twenty that may agree.

Names settled are opponents settled, so the rule is applied until it settles no more. Names of one round stand or fall
together: those that fail once the others are taken away are taken away too.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from matchcast.ports.calendar import PlayedOn

ENOUGH: Final = 5
"""Matches that must agree before a name is settled."""

MATCHES_PER_DISPUTE: Final = 20
"""One result in so many may differ: sources make mistakes in results, seldom in who played whom."""

_APART: Final = (0, -1, 1)


class Entry(NamedTuple):
    """A match as one side has it: `day` is an ordinal, `goals` are home and away."""

    tournament: str
    day: int
    home: bool
    other: str
    goals: tuple[int, int] | None


class Evidence(NamedTuple):
    """What the calendar says of a name and a club, in matches.

    Attributes:
        agreeing: against settled opponents.
        likely: the opponents are not settled; all else agrees.
        disputed: the same match but for its result, or but for an opponent that is open while the club's has a name.
        against: both play, but not the same match.
    """

    agreeing: int = 0
    likely: int = 0
    disputed: int = 0
    against: int = 0

    @property
    def refutes(self) -> bool:
        """More matches speak against than for."""
        return self.against > self.agreeing + self.likely + self.disputed

    @property
    def settles(self) -> bool:
        """Enough agree, none speaks against, and few results differ."""
        few = self.disputed * MATCHES_PER_DISPUTE <= self.agreeing
        return self.agreeing >= ENOUGH and self.against == 0 and few


Diaries = Mapping[str, Sequence[Entry]]
"""The matches of each name."""


class _Fit(IntEnum):
    AGAINST = 0
    DISPUTED = 1
    LIKELY = 2
    AGREEING = 3


def diaries_of(matches: Iterable[PlayedOn]) -> Diaries:
    """The matches of each side."""
    found: defaultdict[str, list[Entry]] = defaultdict(list)
    for tournament, played_on, home, away, home_goals, away_goals in matches:
        day = played_on.toordinal()
        goals = None if home_goals is None or away_goals is None else (home_goals, away_goals)
        found[home].append(Entry(tournament, day, True, away, goals))
        found[away].append(Entry(tournament, day, False, home, goals))
    return found


class Clubs:
    """The diaries of known clubs."""

    def __init__(self, matches: Iterable[PlayedOn]) -> None:
        self._days: dict[str, defaultdict[tuple[str, int], list[Entry]]] = {}
        self._tournaments: dict[str, set[str]] = {}
        for club, entries in diaries_of(matches).items():
            days = self._days[club] = defaultdict(list)
            for entry in entries:
                days[entry.tournament, entry.day].append(entry)
            self._tournaments[club] = {entry.tournament for entry in entries}

    def of(self, tournaments: Collection[str]) -> Iterator[str]:
        """The clubs that have a match in one of these."""
        return (club for club, played in self._tournaments.items() if not played.isdisjoint(tournaments))

    def near(self, club: str, entry: Entry) -> Sequence[Entry]:
        """The club's matches at most a day from this one, in its tournament."""
        days = self._days.get(club)
        if days is None:
            return ()
        return [e for apart in _APART for e in days.get((entry.tournament, entry.day + apart), ())]


class Meaning(NamedTuple):
    """What is known of a source's names so far.

    Attributes:
        clubs: the club of each settled name.
        along: names that are settled only if the others of their round are.
    """

    clubs: Mapping[str, str]
    along: Collection[str] = ()


def weigh(
    entries: Sequence[Entry], club: str, clubs: Clubs, meaning: Meaning, taken: Collection[str], *, whole: bool = True
) -> Evidence:
    """Compare a name's matches with a club's.

    Args:
        taken: clubs that the source has a name for.
        whole: go on though it is clear that they cannot be one.
    """
    fits: dict[tuple[str, int, bool], _Fit] = {}
    against = disputed = 0
    for mine in entries:
        near = clubs.near(club, mine)
        if not near:
            continue
        fit, theirs = max(((_fit(mine, theirs, meaning, taken), theirs) for theirs in near), key=lambda pair: pair[0])
        if fit is _Fit.AGAINST:
            against += 1
        else:
            disputed += fit is _Fit.DISPUTED
            key = theirs.tournament, theirs.day, theirs.home
            fits[key] = max(fit, fits.get(key, fit))
        if not whole and (against or disputed * MATCHES_PER_DISPUTE > len(entries)):
            break
    told = list(fits.values())
    return Evidence(told.count(_Fit.AGREEING), told.count(_Fit.LIKELY), told.count(_Fit.DISPUTED), against)


def _fit(mine: Entry, theirs: Entry, meaning: Meaning, taken: Collection[str]) -> _Fit:
    if mine.home is not theirs.home:
        return _Fit.AGAINST
    opponent = meaning.clubs.get(mine.other)
    if opponent is not None and opponent != theirs.other:
        return _Fit.AGAINST
    if opponent is None and theirs.other in taken:  # unless the source has a second name for that club
        return _Fit.DISPUTED
    if mine.goals != theirs.goals and mine.goals is not None and theirs.goals is not None:
        return _Fit.DISPUTED
    told = mine.other not in meaning.along or (mine.goals is not None and theirs.goals is not None)
    return _Fit.AGREEING if opponent is not None and told else _Fit.LIKELY


def settle_by_calendar(
    names: Diaries, clubs: Clubs, settled: Mapping[str, str], taken: Collection[str]
) -> Mapping[str, str]:
    """The club of each name that the rule above settles.

    Args:
        names: the matches of the names that are open, opponents by name.
        settled: the club of each name that is not.
        taken: clubs that the source has a name for.
    """
    found: dict[str, str] = {}
    may_be = {name: list(clubs.of({entry.tournament for entry in entries})) for name, entries in names.items()}
    while True:
        meaning = Meaning({**settled, **found})
        used = {*taken, *found.values()}
        may_be = {
            name: [club for club in left if club not in used and _can_be(names[name], club, clubs, meaning, used)]
            for name, left in may_be.items()
            if name not in found
        }
        together = _standing(_only_pairs(may_be), names, clubs, meaning, used)
        if not together:
            return found
        found |= together


def _can_be(entries: Sequence[Entry], club: str, clubs: Clubs, meaning: Meaning, used: Collection[str]) -> bool:
    """One match may agree and none speaks against. What cannot be now cannot be later, when more is settled."""
    evidence = weigh(entries, club, clubs, meaning, used, whole=False)
    agreeing = evidence.agreeing + evidence.likely
    return evidence.against == 0 and agreeing > 0 and evidence.disputed * MATCHES_PER_DISPUTE <= agreeing


def _only_pairs(may_be: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Names and clubs that can be one, and neither of them anything else."""
    could_mean = Counter(club for left in may_be.values() for club in left)
    return {name: left[0] for name, left in may_be.items() if len(left) == 1 and could_mean[left[0]] == 1}


def _standing(
    pairs: Mapping[str, str], names: Diaries, clubs: Clubs, meaning: Meaning, used: Collection[str]
) -> dict[str, str]:
    standing = dict(pairs)
    while True:
        together = Meaning({**meaning.clubs, **standing}, standing.keys())
        taken = {*used, *standing.values()}
        good = {
            name: club for name, club in standing.items() if weigh(names[name], club, clubs, together, taken).settles
        }
        if len(good) == len(standing):
            return good
        standing = good


def likeliest(
    entries: Sequence[Entry], clubs: Clubs, meaning: Meaning, taken: Collection[str]
) -> Sequence[tuple[str, Evidence]]:
    """The clubs that a name may mean by the calendar, best first; a taken one only if a match agrees."""
    found = []
    for club in clubs.of({entry.tournament for entry in entries}):
        evidence = weigh(entries, club, clubs, meaning, taken)
        if evidence.agreeing + evidence.likely == 0 or evidence.refutes:
            continue
        if club not in taken or evidence.agreeing:
            found.append((club, evidence))
    return sorted(found, key=lambda told: (-told[1].agreeing, told[1].against, -told[1].likely, told[0]))
