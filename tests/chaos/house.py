"""A house whose database is PostgreSQL."""

from dataclasses import dataclass
from pathlib import Path

from tests.entrypoints.house import House


@dataclass(frozen=True)
class PostgresHouse(House):
    """As `House`, with its database at a URL."""

    url: str = ""

    @property
    def database_url(self) -> str:
        return self.url


def furnished(folder: Path, url: str) -> PostgresHouse:
    """With champion, snapshot and matches; the database must be there and empty."""
    house = PostgresHouse(folder, url)
    house.promote(1)
    house.publish(1, folder)
    house.fill_database()
    return house
