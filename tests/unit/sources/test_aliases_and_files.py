"""The committed club names, and reading files."""

import gzip
import http.server
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from matchcast.adapters.files import read_file
from matchcast.adapters.sources import SOURCE_NAMES
from matchcast.adapters.sources.aliases import committed_aliases
from matchcast.domain.competitions import COMPETITIONS
from matchcast.domain.names import fold_name, team_slug
from matchcast.errors import BadSource, Unavailable


def test_no_committed_name_means_two_clubs() -> None:
    meant = defaultdict(set)
    for alias in committed_aliases():
        meant[alias.source, alias.country, fold_name(alias.name)].add(alias.team_id)
    assert [name for name, ids in meant.items() if len(ids) > 1] == []


def test_committed_names_are_well_formed() -> None:
    countries = {competition.country for competition in COMPETITIONS}
    usual: dict[str, str] = {}
    for alias in committed_aliases():
        assert alias.country in countries
        assert alias.source in ("*", *SOURCE_NAMES)
        assert alias.team_id is not None
        usual.setdefault(alias.team_id, alias.name)
    assert all(team_id.endswith(f":{team_slug(name)}") for team_id, name in usual.items())


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = {"/gone.csv": 404, "/broken.csv": 503}.get(self.path, 200)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(gzip.compress(b"content"))

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_url_is_read_and_unpacked(server: str) -> None:
    assert read_file(f"{server}/mmz4281/E0%20new.csv.gz?x=1") == ("E0 new.csv", b"content")


def test_a_url_that_is_gone_is_bad_input_and_a_failing_server_is_not(server: str) -> None:
    with pytest.raises(BadSource, match="answered 404; check the URL"):
        read_file(f"{server}/gone.csv")
    with pytest.raises(Unavailable, match="answered 503; try again"):
        read_file(f"{server}/broken.csv")


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="check the address"):
        read_file("http://127.0.0.1:1/x.csv")


def test_a_packed_file_is_unpacked_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(gzip.compress(b"content"))
    assert read_file(str(tmp_path / "a.csv")) == ("a.csv", b"content")


@pytest.mark.parametrize("cut", [2, 8, 20])
def test_a_damaged_packed_file_says_so(tmp_path: Path, cut: int) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"content" * 100)[:cut])
    with pytest.raises(BadSource, match="damaged"):
        read_file(str(tmp_path / "a.csv.gz"))


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(BadSource, match="no such file; check the path"):
        read_file(str(tmp_path / "none.csv"))
    with pytest.raises(BadSource, match="cannot be read"):
        read_file(str(tmp_path))
