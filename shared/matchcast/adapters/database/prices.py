"""Stored odds of chosen matches."""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import select

from matchcast.adapters.database.engine import Database
from matchcast.adapters.database.tables import odds
from matchcast.domain.match import OddsMoment
from matchcast.ports.scores import Price

_AT_ONCE: Final = 5_000


class SqlPrices:
    """The `Prices` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, match_ids: Sequence[int], moment: OddsMoment, bookmakers: Sequence[str]) -> Mapping[int, Price]:
        found: dict[int, Price] = {}
        query = select(odds.c.match_id, odds.c.bookmaker, odds.c.home, odds.c.draw, odds.c.away).where(
            odds.c.moment == moment.value, odds.c.bookmaker.in_(bookmakers)
        )
        with self._database.reading() as connection:
            for start in range(0, len(match_ids), _AT_ONCE):
                for match_id, *price in connection.execute(
                    query.where(odds.c.match_id.in_(match_ids[start : start + _AT_ONCE]))
                ):
                    told, known = Price(*price), found.get(match_id)
                    if known is None or bookmakers.index(told.bookmaker) < bookmakers.index(known.bookmaker):
                        found[match_id] = told
        return found
