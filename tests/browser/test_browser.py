"""The browser: what it opens, what it does not, and that nothing of it is left."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from matchcast.adapters.browser import Browser, open_browser
from matchcast.errors import BadSource, Unavailable
from tests.browser.site import Page, Site
from tests.browser.troubles import CAPTCHA, CLOUDFLARE, FRONT, INCAPSULA, to
from tests.browser.visits import CONTACT, Visiting


def processes(folder: Path) -> list[int]:
    """Ids of the processes whose command line names something in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{folder}/".encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:  # it went away meanwhile
            continue
    return found


def nothing_is_left(folder: Path) -> bool:
    return wait_for(lambda: not processes(folder) and not list(folder.iterdir()))


@pytest.fixture
def corner(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where this test's browsers have their files; its name is short, as those of sockets must be."""
    with tempfile.TemporaryDirectory(prefix="corner-") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def wait_for(condition: Callable[[], bool]) -> bool:
    ends = time.monotonic() + 20
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.02)
    return True


def test_a_page_comes_as_it_was_sent_whatever_its_scripts_made_of_it(site: Site, browser: Browser) -> None:
    sent = "<html><head></head><body><p>härter</p><script>document.body.innerHTML = 'gone'; var made = {a: [1]}</script></body>"
    site.trouble[FRONT] = lambda _: Page(sent.encode())
    answer = browser.open(site.url + "/")
    assert (answer.status, answer.content.decode(), answer.media_type) == (200, sent, "text/html; charset=utf-8")
    assert (browser.value("made"), browser.value("unmade")) == (b'{"a":[1]}', None)
    with pytest.raises(ValueError, match="no name of a variable"):
        browser.value("alert(1)")


def test_what_scripts_read_comes_byte_for_byte_with_its_validators(site: Site, browser: Browser) -> None:
    browser.open(site.url + "/")
    raw = bytes(range(256)) * 8
    site.trouble["/livescores"] = lambda page: Page(raw, headers=(("Last-Modified", "Sat, 19 Oct 2024 10:00:00 GMT"),))
    url = site.url + "/livescores/data?d=20241019"
    answer = browser.read(url)
    assert (answer.content, answer.last_modified) == (raw, "Sat, 19 Oct 2024 10:00:00 GMT")
    site.trouble.clear()
    tag = browser.read(url).etag
    again = browser.read(url, tag)
    assert (again.status, again.content) == (304, b"")


@pytest.mark.parametrize("url", ["http://example.org/", "file:///etc/passwd", "http://127.0.0.1:1/", "//example.org/x"])
def test_a_page_of_another_host_is_not_opened(site: Site, browser: Browser, url: str) -> None:
    for way in (browser.open, browser.read):
        with pytest.raises(BadSource, match="not ours to open"):
            way(url)
    assert site.asked == []


@pytest.mark.parametrize("where", ["http://localhost:{port}/x", "http://example.org/", "http://127.0.0.2:{port}/"])
def test_no_redirect_leads_to_another_host(site: Site, browser: Browser, where: str) -> None:
    """The browser itself knows no other; the page that leads there is asked once."""
    browser.open(site.url + "/")
    site.forget()
    site.trouble["^/(away)?$"] = to(where.format(port=site.host.partition(":")[2]))
    for way, path in ((browser.read, "/away"), (browser.open, "/")):
        with pytest.raises(BadSource, match=r"redirects to another host, .* which is not followed"):
            way(site.url + path)
    assert (site.paths, site.elsewhere) == (["/away", "/"], [])


@pytest.mark.parametrize("page", [INCAPSULA, CLOUDFLARE, CAPTCHA])
def test_the_challenge_of_a_block_page_is_not_taken(site: Site, browser: Browser, page: Callable[[Page], Page]) -> None:
    """Neither its frame nor its script is fetched, which would decide whether we are a person."""
    site.trouble[FRONT] = page
    browser.open(site.url + "/")
    site.trouble.clear()
    browser.open(site.url + "/")
    assert site.paths == ["/", "/"]


@pytest.mark.slow
def test_a_page_may_say_as_an_instant_when_it_wants_to_be_asked_again(site: Site, browser: Browser) -> None:
    """Opened, or read by the open page."""
    browser.open(site.url + "/")
    told = format_datetime(datetime.now(UTC) + timedelta(minutes=90), usegmt=True)
    site.trouble["^/(livescores.*)?$"] = lambda page: Page(b"slower", 429, headers=(("Retry-After", told),))
    for answer in (browser.read(f"{site.url}/livescores"), browser.open(f"{site.url}/")):
        assert answer.status == 429
        assert 5300 < (answer.retry_after or 0) <= 5400


def test_a_page_that_takes_too_long_is_given_up(site: Site, corner: Path) -> None:
    """And the browser is gone, though the page was still to come."""
    site.trouble["/slow|/livescores"] = lambda page: Page(b"{}", wait=4)
    with open_browser([site.host], CONTACT, seconds=0.5) as browser:
        for way, path in ((browser.open, "/slow"), (browser.read, "/livescores/data?d=1")):
            with pytest.raises(Unavailable, match=r"took longer than it may|the browser failed"):
                way(site.url + path)
    assert nothing_is_left(corner)


def test_a_browser_is_gone_after_an_error_and_had_nothing_of_our_environment(
    site: Site, corner: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are passwords in it."""
    monkeypatch.setenv("MATCHCAST_DATABASE_URL", "postgresql://app:secret@db/matchcast")
    with pytest.raises(ZeroDivisionError), open_browser([site.host], CONTACT) as browser:
        browser.open(site.url + "/")
        assert len(processes(corner)) > 2
        for process in processes(corner):
            with suppress(OSError):  # it went away meanwhile
                assert b"secret" not in Path(f"/proc/{process}/environ").read_bytes()
        raise ZeroDivisionError
    assert nothing_is_left(corner)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_browser_is_gone_when_its_process_is_ended(site: Site, corner: Path, how: signal.Signals) -> None:
    """Whichever way that happens."""
    code = (
        "import time; from matchcast.adapters.browser import open_browser\n"
        f"with open_browser(['{site.host}'], '{CONTACT}') as browser:\n"
        f"    browser.open('{site.url}/'); print('open', flush=True); time.sleep(60)"
    )
    environment = os.environ | {"TMPDIR": str(corner)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        assert len(processes(corner)) > 2
        process.send_signal(how)
    assert nothing_is_left(corner)


@pytest.fixture
def hub() -> Iterator[str]:
    """A remote end of WebDriver, as a hub is."""
    program = shutil.which("chromedriver")
    assert program is not None
    with subprocess.Popen(
        [program, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        port = next(found[1] for line in process.stdout if (found := re.search(r"on port (\d+)\.", line)))
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.mark.slow
def test_a_hub_is_as_good_as_a_browser_of_our_own(visiting_with: Callable[..., Visiting], site: Site, hub: str) -> None:
    visiting = visiting_with(lambda: open_browser([site.host], CONTACT, hub))
    assert visiting.visit().event == "matches.ingested"
    assert len(visiting.stored()) == 12
    assert {asked.agent.rpartition(" matchcast ")[2] for asked in site.asked} == {f"(+{CONTACT})"}
    site.trouble[FRONT] = to("http://example.org/")
    outcome = visiting.visit()
    assert (outcome.event, "not followed" in outcome.problem) == ("scrape.failed", True)


def test_a_hub_that_is_away_leaves_the_task_open(visiting_with: Callable[..., Visiting], site: Site) -> None:
    visiting = visiting_with(lambda: open_browser([site.host], CONTACT, "http://127.0.0.1:9/wd/hub"))
    outcome = visiting.visit()
    assert (outcome.status, outcome.task) == (503, "running")
    assert "no browser (" in outcome.problem
    assert site.asked == []


def test_a_missing_driver_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable, match="no chromedriver is on PATH; install it"), open_browser([site.host], CONTACT):
        pass
