"""What can be wrong with a page, and what then must come of the scrape."""

from collections.abc import Callable
from typing import Final, NamedTuple

from tests.browser.site import Page, uncounted

FEED: Final = r"/livescores/data\?d=20241019"
"""The last feed but two: those of the last day asked for and of the day after it follow."""
FRONT: Final = r"^/$"
MATCH: Final = r"/matches/1010027/live"
MATCHES: Final = r"/matches/\d+/live"


class Trouble(NamedTuple):
    """Attributes:
    pages: pattern of the paths that have it.
    status: of the answer to the broker: 200 tells an event, 503 asks to deliver again.
    words: that the problem holds.
    kept: whether what came is kept as a capture.
    """

    pages: str
    change: Callable[[Page], Page]
    status: int
    event: str
    words: str
    kept: bool


def html(body: str, status: int = 200, *headers: tuple[str, str]) -> Callable[[Page], Page]:
    page = f"<html><head><title>.</title></head><body>{body}</body></html>"
    return lambda _: Page(page.encode(), status, headers=headers)


def to(where: str) -> Callable[[Page], Page]:
    return lambda _: Page(b"", 302, headers=(("Location", where),))


INCAPSULA: Final = html(
    "<iframe src='/_Incapsula_Resource?x=1'>Request unsuccessful. Incapsula incident ID: 1-2</iframe>"
)
CLOUDFLARE: Final = html(
    "<script src='/cdn-cgi/challenge-platform/h/orchestrate/1'></script><div id='cf-chl-widget'>Just a moment...</div>",
    503,
)
CAPTCHA: Final = html(
    "<script src='/captcha/api.js'></script><form action='/captcha' id='captcha-form'><div class='g-recaptcha'></div></form>"
)
AWAY: Final = "try again later"


def troubles(url: str) -> dict[str, Trouble]:
    """By name; `url` is the site's."""
    other = url.replace("127.0.0.1", "localhost")

    def failed(pages: str, change: Callable[[Page], Page], words: str, kept: bool = True) -> Trouble:
        return Trouble(pages, change, 200, "scrape.failed", words, kept)

    def later(pages: str, change: Callable[[Page], Page], words: str = AWAY) -> Trouble:
        return Trouble(pages, change, 503, "", words, False)

    def fine(pages: str, change: Callable[[Page], Page]) -> Trouble:
        return Trouble(pages, change, 200, "matches.ingested", "", True)

    return {
        "Incapsula block page, on the front page": failed(FRONT, INCAPSULA, "an Incapsula block page"),
        "Incapsula block page, in place of a feed": failed(FEED, INCAPSULA, "an Incapsula block page"),
        "Incapsula block page, in place of a match page": failed(MATCH, INCAPSULA, "an Incapsula block page"),
        "Cloudflare challenge (503)": failed(FEED, CLOUDFLARE, "a Cloudflare challenge"),
        "Cloudflare challenge (503), on the front page": failed(FRONT, CLOUDFLARE, "a Cloudflare challenge"),
        "CAPTCHA": failed(FEED, CAPTCHA, "a CAPTCHA"),
        "202 without a word": failed(FEED, lambda _: Page(b"", 202), "202"),
        "451": failed(FEED, html("no", 451), "451"),
        "refused in JSON": failed(FEED, lambda _: Page(b'{"message": "Too Many Requests"}'), "access denied"),
        "403": failed(FEED, html("no", 403), "403"),
        "403 without a word, on the front page": failed(FRONT, lambda _: Page(b"", 403), "403"),
        "429 with Retry-After": failed(FEED, html("slower", 429, ("Retry-After", "5400")), "429"),
        "a key renamed in the feed": failed(
            FEED, lambda page: Page(page.body.replace(b"startTimeUtc", b"startsAt")), "startTimeUtc"
        ),
        "a web page in place of the feed": failed(FEED, html("We have moved"), "a web page stands here"),
        "a front page without its list": failed(FRONT, html("A new look"), "tiers.json"),
        "match pages without their match centre": failed(MATCHES, html("A new look"), "require.config.params"),
        "one match page without its match centre": fine(MATCH, html("A new look")),
        "match pages without statistics": fine(MATCHES, uncounted),
        "feed cut off by the server, in good order": failed(
            FEED, lambda page: Page(page.body[: len(page.body) // 2]), "not whole JSON"
        ),
        "empty feed": failed(FEED, lambda _: Page(b""), "the file is empty"),
        "17 MiB": failed(FEED, lambda _: Page(b" " * (17 << 20)), "larger than 16 MiB", kept=False),
        "feed not found (404)": failed(FEED, html("where?", 404), "answered 404"),
        "redirect to another host": failed(FEED, to(f"{other}/livescores/data"), "not followed", kept=False),
        "redirect to another host, of the front page": failed(FRONT, to(other), "not followed", kept=False),
        "500": later(FEED, html("oops", 500)),
        "500, on the front page": later(FRONT, html("oops", 500)),
        "connection closed within the feed": later(FEED, lambda page: Page(page.body, sent=20)),
        "connection closed within the front page": later(FRONT, lambda page: Page(page.body, sent=20)),
        "match page not found (404)": fine(MATCH, html("where?", 404)),
        "a slow feed": fine(FEED, lambda page: Page(page.body, wait=0.3)),
    }
