"""Names of clubs: how two spellings are recognised as one."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

_CLUB_TOKEN: Final = re.compile(
    "ac|acf|afc|aj|as|bc|bk|calcio|cd|cf|cfc|fc|fk|hsc|if|ifk|ogc|osc|rc|rcd|sc|sco|sk|ss|ssc|sv|tsg|ud|us|vfb|vfl"
)
"""Abbreviations of "football club" and the like; they tell two sources' spellings apart, seldom two clubs."""

_LETTERS: Final = str.maketrans(
    {"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "\u0131": "i", "þ": "th"}
)
_APOSTROPHES: Final = re.compile("['`\u00b4\u2018\u2019\u0092]")
_NOT_A_WORD: Final = re.compile(r"[\W_]+")
_YEAR: Final = re.compile(r"1[89]\d\d|20\d\d")


@lru_cache(maxsize=65536)
def fold_name(name: str) -> str:
    """The name without case, accents and punctuation: `Nott'm Forest` and `NOTTM  FOREST` fold alike."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    folded = "".join(letter for letter in folded if not unicodedata.combining(letter)).translate(_LETTERS)
    return _NOT_A_WORD.sub(" ", _APOSTROPHES.sub("", folded).replace("&", " and ")).strip()


def plain_name(name: str) -> str:
    """The folded name without FC, AFC and CF, which one source may write in one season and leave out in the next."""
    folded = fold_name(name)
    return " ".join(word for word in folded.split() if word not in ("fc", "afc", "cf")) or folded


@lru_cache(maxsize=65536)
def normalise_team_name(name: str) -> str:
    """The folded name without club tokens, `1.` and founding years: `1. FC Köln` becomes `koln`.

    A name made of nothing else stays as folded.
    """
    folded = fold_name(name)
    kept = [w for w in folded.split() if not _CLUB_TOKEN.fullmatch(w) and w != "1" and not _YEAR.fullmatch(w)]
    return " ".join(kept) or folded


def team_slug(name: str) -> str:
    """The second half of a team id, e.g. `manchester-united`; `club` where a name has no letter or digit."""
    return fold_name(name).replace(" ", "-") or "club"
