"""Pages that say we are not welcome."""

import re
from typing import Final

_LOOKED_AT: Final = 65_536
_STATUSES: Final = {
    401: "401 Unauthorized",
    403: "403 Forbidden",
    429: "429 Too Many Requests",
}
_CONTENT: Final = (b"matchCentreData", b"require.config.params", b'id="tournaments"', b'id="stages"', b'id="seasons"')
"""What only a page of the site itself has; such a page is none, whatever scripts it mentions."""

_TITLE: Final = re.compile(rb"<title[^>]{0,200}>\s{0,200}([^<]{0,300})", re.IGNORECASE)
_TITLES: Final = (
    (b"just a moment", "a Cloudflare challenge"),
    (b"attention required", "a Cloudflare block page"),
    (b"access denied", "access denied"),
    (b"access to this page has been denied", "access denied"),
    (b"pardon our interruption", "an Imperva block page"),
    (b"you have been blocked", "a block page"),
    (b"too many requests", "too many requests"),
    (b"are you a robot", "a CAPTCHA"),
    (b"robot check", "a CAPTCHA"),
    (b"human verification", "a CAPTCHA"),
    (b"captcha", "a CAPTCHA"),
)
_MARKS: Final = (
    (re.compile(rb"<iframe[^>]{0,2000}_incapsula_resource"), "an Incapsula block page"),
    (re.compile(rb"incapsula incident id"), "an Incapsula block page"),
    (re.compile(rb"cf-chl|cf_chl_|challenge-platform/[^\"']{0,200}orchestrate|cf-browser-verification"),
     "a Cloudflare challenge"),
    (re.compile(rb"cf-error-details|id=[\"']cf-wrapper"), "a Cloudflare block page"),
    (re.compile(rb"<form[^>]{0,2000}captcha|class=[\"'](?:g-recaptcha|h-captcha|cf-turnstile)|captcha-delivery\.com"
                rb"|id=[\"']px-captcha"), "a CAPTCHA"),
    (re.compile(rb"<h1[^>]{0,200}>\s{0,200}access denied|you don't have permission to access"), "access denied"),
    (re.compile(rb"<h1[^>]{0,200}>\s{0,200}(?:403 forbidden|429 too many requests)"), "access denied"),
)  # fmt: skip
_INCAPSULA_STUB: Final = re.compile(rb"<script[^>]{0,2000}_incapsula_resource")
_STUB: Final = 4_096
_PLAIN: Final = re.compile(rb"(?:access denied|forbidden|too many requests|rate limit|error code: 10\d\d)")


def block_reason(content: bytes, status: int) -> str | None:
    """Why this answer is a refusal, in words for a person; None where it is none.

    Args:
        content: the body of the answer.
        status: of the HTTP answer.
    """
    if status in _STATUSES:
        return f"it answered {_STATUSES[status]}"
    start = content[:_LOOKED_AT].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:1] != b"<" and len(start) < _STUB and _PLAIN.match(start.lower()):
        return "access denied"
    if start[:1] != b"<" or any(mark in content for mark in _CONTENT):
        return None
    page = start.lower()
    title = _TITLE.search(page)
    if title is not None:
        for words, reason in _TITLES:
            if words in title[1]:
                return reason
    for mark, reason in _MARKS:
        if mark.search(page):
            return reason
    if title is None and len(content) <= _STUB and b"</html" in page and _INCAPSULA_STUB.search(page):
        return "an Incapsula block page"
    return None
