"""The sources on real third-party files, where those are at hand."""

from collections import Counter
from pathlib import Path

from matchcast.adapters.files import read_file
from matchcast.adapters.sources import detect, source_named
from matchcast.domain.match import MatchStatus


def test_the_merged_file_loses_only_rows_whose_day_contradicts_their_season(real_data: Path) -> None:
    file = read_file(str(real_data / "football-data/matches_1993_2025.csv.gz"))
    assert file.name == "matches_1993_2025.csv"
    parsed = source_named("football-data").parse(file.content, file.name)
    kinds = Counter("price" if "price" in row.reason else row.reason.split()[0] for row in parsed.rejected)
    assert len(parsed.rows) == 275_530 - 48
    assert kinds == {"Date": 48, "price": 19}
    assert sum(len(row.odds) for row in parsed.rows) == 1_429_684


def test_results_only_reads_every_row(real_data: Path) -> None:
    file = read_file(str(real_data / "results-only/results_2000_2023.csv.gz"))
    parsed = detect(file.content, file.name).parse(file.content, file.name)
    assert Counter(row.status for row in parsed.rows) == {MatchStatus.FINISHED: 299_207, MatchStatus.UNKNOWN: 7}
    assert not parsed.rejected


def test_openfootball_reads_every_match(real_data: Path) -> None:
    for path in sorted((real_data / "fixtures").glob("*.json")):
        file = read_file(str(path))
        parsed = detect(file.content, file.name).parse(file.content, file.name)
        assert not parsed.rejected
        assert len(parsed.rows) >= 306
        assert {row.season for row in parsed.rows} == {int(path.name[:4])}
