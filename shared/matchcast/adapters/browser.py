"""A Chromium that opens pages of a few hosts, by Selenium: a headless one beside us, or one of a hub.

Nothing is fetched of any other host: the browser itself finds none, and no redirect leads there. What it fetched is given
as the server sent it, not as scripts have made it since.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver import ChromeOptions, Remote
from selenium.webdriver.common.proxy import Proxy, ProxyType
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.command import Command
from urllib3.exceptions import HTTPError

from matchcast.adapters.manners import agent, seconds_to_wait
from matchcast.errors import BadSource, Unavailable

LARGEST_ANSWER: Final = 16 * 1024 * 1024
PAGE_SECONDS: Final = 12.0
"""That a page may take; a broker waits longer for a handler whose time is over."""
_START_SECONDS: Final = 40
_LOOK_AGAIN: Final = 0.02
_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-breakpad",
    "--disable-auto-reload",
    "--dns-prefetch-disable",
)
_FRAMED_CHALLENGE: Final = "*/_Incapsula_Resource*"
_CHALLENGES: Final = (_FRAMED_CHALLENGE, "*/cdn-cgi/challenge-platform/*", "*captcha*")
"""Addresses of what decides whether we are a person: that is not for us to pretend."""
_GUARD: Final = """
setsid "$1" --port=0 </dev/null &
driver=$!
read -r _
kill -s KILL -- -$driver
wait
rm -rf "$2"
"""
"""Outlives us by a moment, whichever way we go: when its standard input ends, the browser and its files are gone."""
_STARTED: Final = re.compile(rb"started successfully on port ([0-9]+)")
_FETCH: Final = """
const [path, headers, limit, done] = arguments;
(async () => {
  const answer = await fetch(path, {mode: 'same-origin', cache: 'no-store', headers});
  const parts = [];
  let size = 0;
  for (const reader = answer.body?.getReader(); reader;) {
    const {done: ended, value} = await reader.read();
    if (ended) break;
    size += value.length;
    if (size > limit) { await reader.cancel(); return {large: true}; }
    parts.push(value);
  }
  const text = await new Promise((take, fail) => {
    const reader = new FileReader();
    reader.onload = () => take(reader.result);
    reader.onerror = () => fail(reader.error);
    reader.readAsDataURL(new Blob(parts));
  });
  return {status: answer.status, url: answer.url, headers: [...answer.headers], body: text.split(',', 2)[1] ?? ''};
})().then(done, error => done({error: String(error)}));
"""


class Answer(NamedTuple):
    """What a server answered.

    Attributes:
        url: where it came from in the end.
        content: as it was sent; a page's text in UTF-8.
        retry_after: seconds, where the server says so.
    """

    url: str
    status: int
    media_type: str
    content: bytes
    etag: str | None = None
    last_modified: str | None = None
    retry_after: int | None = None


class Browser:
    """A session of a running browser, with nothing in its memory when it begins; `open_browser` starts one.

    Every method raises Unavailable where the browser or the server is away or too slow, and BadSource for a page of
    another host, a redirect there, or more than `LARGEST_ANSWER` bytes.
    """

    def __init__(self, driver: Remote, hosts: Sequence[str], seconds: float) -> None:
        self._driver = driver
        self._hosts = frozenset(hosts)
        self._seconds = seconds

    def open(self, url: str) -> Answer:
        """Go to a page as a person does: its scripts run."""
        self._check(url)
        with self._failing(url):
            frame, traffic = self._gone_to(url)
        loader = frame["loaderId"]
        at = frame.get("unreachableUrl") or frame["url"]
        self._check(at, came_from=url)
        answer = traffic.answers.get(loader)
        if answer is None:
            raise Unavailable(f"{url}: {traffic.failures.get(loader, 'no answer')}; try again later")
        # where a server says nothing, the browser does
        content = b"" if frame["url"].startswith("chrome-error:") else self._document(url, loader, traffic)
        return _answer(at, answer["status"], answer["headers"], content)

    def _gone_to(self, url: str) -> tuple[Mapping[str, Any], "_Traffic"]:
        """The frame of the page, once it is all there, and its traffic. WebDriver's own waiting would ask twice."""
        before = self._frame()["loaderId"]
        traffic = self._traffic()
        ends = time.monotonic() + self._seconds
        self._driver.get(url)
        while True:
            found = None
            traffic.add(self._notes())
            with suppress(WebDriverException):  # between two pages; a browser that is gone has no answer until the end
                frame = self._frame()
                if frame["loaderId"] != before and self._is_over(frame["loaderId"], traffic):
                    found = frame
            if time.monotonic() >= ends:  # each question to the driver may have waited for the page
                raise TimeoutException
            if found is not None:
                return found, traffic
            time.sleep(_LOOK_AGAIN)

    def _is_over(self, loader: str, traffic: "_Traffic") -> bool:
        if loader not in traffic.ended or loader in traffic.failures:
            return loader in traffic.ended
        return bool(self._driver.execute_script("return document.readyState !== 'loading'"))

    def value(self, name: str) -> bytes | None:
        """A variable of the open page's scripts, as JSON; None where there is none."""
        if not name.isidentifier():
            raise ValueError(f"{name!r} is no name of a variable")
        with self._failing(name):
            text = self._driver.execute_script(f"return typeof {name} === 'undefined' ? null : JSON.stringify({name})")
        return None if text is None else str(text).encode()

    def read(self, url: str, etag: str | None = None, last_modified: str | None = None) -> Answer:
        """Fetch something of the open page's site, as the page's scripts do; 304 where the validators still hold."""
        self._check(url)
        headers = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        asked = {name: value for name, value in headers.items() if value}
        with self._failing(url):
            found = self._driver.execute_async_script(_FETCH, url, asked, LARGEST_ANSWER)
            traffic = self._traffic()
        if found.get("large"):
            raise _too_large(url)
        if "error" in found:
            led, failure = traffic.end_of(url)
            if led is not None:
                self._check(led, came_from=url)
            raise Unavailable(f"{url}: {failure or found['error']}; try again later")
        return _answer(found["url"], found["status"], dict(found["headers"]), b64decode(found["body"]))

    def be_honest(self, contact: str) -> None:
        """Let every request say who asks, and take no part in the challenges of block pages."""
        with self._failing("the browser"):
            own = self._devtools("Browser.getVersion")["userAgent"]
            self._devtools("Network.setUserAgentOverride", userAgent=f"{own} {agent(contact)}")
            self._devtools("Network.setBlockedURLs", urls=list(_CHALLENGES))
            held = [{"urlPattern": _FRAMED_CHALLENGE, "resourceType": "Document"}]
            self._devtools("Fetch.enable", patterns=held)  # and never let go

    def _document(self, url: str, loader: str, traffic: "_Traffic") -> bytes:
        try:
            body = self._devtools("Network.getResponseBody", requestId=loader)
        except WebDriverException as error:
            if loader in traffic.failures:
                raise Unavailable(f"{url}: {traffic.failures[loader]}; try again later") from error
            raise _too_large(url) from error
        content: bytes = b64decode(body["body"]) if body["base64Encoded"] else body["body"].encode()
        if len(content) > LARGEST_ANSWER:
            raise _too_large(url)
        return content

    def _check(self, url: str, came_from: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.netloc in self._hosts:
            return
        if came_from is None:
            raise BadSource(f"source: {url[:200]} is of a host that is not ours to open", "source")
        raise BadSource(
            f"source: {came_from} redirects to another host, {parts.netloc[:100]!r}, which is not followed", "source"
        )

    def _devtools(self, command: str, **parameters: object) -> dict[str, Any]:
        found: dict[str, Any] = self._driver.execute("executeCdpCommand", {"cmd": command, "params": parameters})
        value: dict[str, Any] = found["value"]
        return value

    def _frame(self) -> Mapping[str, Any]:
        frame: Mapping[str, Any] = self._devtools("Page.getFrameTree")["frameTree"]["frame"]
        return frame

    def _traffic(self) -> "_Traffic":
        """What went over the network since this was last asked."""
        traffic = _Traffic()
        traffic.add(self._notes())
        return traffic

    def _notes(self) -> list[Mapping[str, Any]]:
        entries = self._driver.execute(Command.GET_LOG, {"type": "performance"})["value"]
        return [json.loads(entry["message"])["message"] for entry in entries]

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except TimeoutException as error:
            raise Unavailable(f"{what}: it took longer than it may; try again later") from error
        except (WebDriverException, HTTPError) as error:
            raise Unavailable(f"{what}: the browser failed ({_first_line(error)}); try again later") from error


class _Traffic:
    """Chromium's notes on some requests, in the protocol of its developer tools.

    Attributes:
        answers: by the request's id, that of a document being its loader's.
        failures: in the network's words, by id.
        ended: the ids of those that are over, one way or the other.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Mapping[str, Any]] = {}
        self.failures: dict[str, str] = {}
        self.ended: set[str] = set()
        self._ways: dict[str, list[str]] = {}

    def add(self, notes: Iterable[Mapping[str, Any]]) -> None:
        for note in notes:
            method, about = note["method"], note["params"]
            if method == "Network.requestWillBeSent":
                self._ways.setdefault(about["requestId"], []).append(about["request"]["url"])
            elif method == "Network.responseReceived":
                self.answers[about["requestId"]] = about["response"]
            elif method in ("Network.loadingFinished", "Network.loadingFailed"):
                self.ended.add(about["requestId"])
                if about.get("errorText"):
                    self.failures.setdefault(about["requestId"], about["errorText"])

    def end_of(self, url: str) -> tuple[str | None, str | None]:
        """Where the last request for an address was led, and why it failed; None where it was not."""
        found = [(name, way) for name, way in self._ways.items() if way[0] == url]
        if not found:
            return None, None
        name, way = found[-1]
        return (way[-1] if len(way) > 1 else None), self.failures.get(name)


def _answer(url: str, status: int, headers: Mapping[str, str], content: bytes) -> Answer:
    told = {name.lower(): value for name, value in headers.items()}
    return Answer(
        url,
        status,
        told.get("content-type", "application/octet-stream"),
        content,
        told.get("etag"),
        told.get("last-modified"),
        seconds_to_wait(told.get("retry-after", ""), told.get("date", "")),
    )


def _too_large(url: str) -> BadSource:
    return BadSource(f"source: {url} is larger than {LARGEST_ANSWER >> 20} MiB; is it the page it should be?", "source")


def _first_line(error: Exception | None) -> str:
    text = error.msg if isinstance(error, WebDriverException) and error.msg else str(error)
    return text.splitlines()[0][:300] if text else type(error).__name__


@contextmanager
def open_browser(
    hosts: Sequence[str], contact: str, hub: str | None = None, seconds: float = PAGE_SECONDS
) -> Iterator[Browser]:
    """A browser with an empty memory, gone afterwards.

    Args:
        hosts: the only ones it may open, with their port where it is none of the usual ones.
        contact: sent with every request, in the User-Agent.
        hub: a Selenium Grid or Selenoid hub; None for a headless Chromium beside us.
        seconds: that a page may take.

    Raises:
        Unavailable: it does not start.
    """
    options = ChromeOptions()
    names = ", ".join(f"EXCLUDE {urlsplit(f'//{host}').hostname}" for host in hosts)
    # the second holds also where a proxy looks names up
    rules = [f"--host-resolver-rules=MAP * ~NOTFOUND, {names}", f"--host-rules=MAP * ~NOTFOUND, {names}"]
    for flag in (*_FLAGS, *rules):
        options.add_argument(flag)
    options.page_load_strategy = "none"
    options.unhandled_prompt_behavior = "dismiss"
    options.timeouts = {"pageLoad": int(seconds * 1000), "script": int(seconds * 1000)}
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    options.add_experimental_option("perfLoggingPrefs", {"enableNetwork": True, "enablePage": False})
    options.add_experimental_option("prefs", {"profile.managed_default_content_settings.images": 2})
    with _driver(options) if hub is None else _session(hub, options) as driver:
        browser = Browser(driver, hosts, seconds)
        browser.be_honest(contact)
        yield browser


@contextmanager
def _driver(options: ChromeOptions) -> Iterator[Remote]:
    """A session of a chromedriver of our own."""
    program = shutil.which("chromedriver")
    if program is None:
        raise Unavailable(
            "no chromedriver is on PATH; install it (Debian: apt-get install chromium chromium-driver), "
            "or set MATCHCAST_BROWSER_URL to a Selenium hub"
        )
    folder = tempfile.mkdtemp(prefix="matchcast-browser-")
    options.add_argument(f"--user-data-dir={folder}/profile")
    # of our own environment, secrets among it, the browser gets nothing
    environment = {"PATH": os.defpath, "HOME": folder, "TMPDIR": folder}
    guard = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "guard", program, folder],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
        start_new_session=True,
    )  # fmt: skip
    with guard:
        try:
            assert guard.stdout is not None
            port = next((found[1] for line in guard.stdout if (found := _STARTED.search(line))), None)
            if port is None:
                raise Unavailable(f"{program} did not start; run it by hand to see why")
            with _session(
                f"http://127.0.0.1:{port.decode()}", options, Proxy({"proxyType": ProxyType.DIRECT})
            ) as driver:
                yield driver
        finally:
            assert guard.stdin is not None
            guard.stdin.close()
            guard.wait()


@contextmanager
def _session(url: str, options: ChromeOptions, proxy: Proxy | None = None) -> Iterator[Remote]:
    config = ClientConfig(remote_server_addr=url, timeout=_START_SECONDS, proxy=proxy)
    try:
        driver = Remote(url, options=options, client_config=config)
    except (WebDriverException, HTTPError, OSError) as error:
        raise Unavailable(
            f"{url}: no browser ({_first_line(error)}); check MATCHCAST_BROWSER_URL, the hub and Chromium, then try again"
        ) from error
    try:
        yield driver
    finally:
        with suppress(WebDriverException, HTTPError):  # a hub that went away ends its sessions itself
            driver.quit()
