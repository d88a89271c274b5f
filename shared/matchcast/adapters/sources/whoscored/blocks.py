"""Pages that say we are not welcome."""

import re
from typing import Final

_LOOKED_AT: Final = 65_536
_STATUSES: Final = {
    401: "401 Unauthorized",
    403: "403 Forbidden",
    429: "429 Too Many Requests",
    451: "451 Unavailable For Legal Reasons",
}
_ACCEPTED: Final = 202
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
    (b"security check", "a challenge"),
    (b"request rejected", "a block page"),
)
_MARKS: Final = (
    (re.compile(rb"<iframe[^>]{0,2000}_incapsula_resource"), "an Incapsula block page"),
    (re.compile(rb"incapsula incident id"), "an Incapsula block page"),
    (re.compile(rb"content\.incapsula\.com/jstest"), "an Incapsula challenge"),
    (re.compile(rb"your support id is"), "a block page"),
    (re.compile(rb"cf-chl|cf_chl_|challenge-platform/[^\"']{0,200}orchestrate|cf-browser-verification"),
     "a Cloudflare challenge"),
    (re.compile(rb"cf-error-details|id=[\"']cf-wrapper"), "a Cloudflare block page"),
    (re.compile(rb"<form[^>]{0,2000}captcha|class=[\"'](?:g-recaptcha|h-captcha|cf-turnstile)|captcha-delivery\.com"
                rb"|id=[\"']px-captcha"), "a CAPTCHA"),
    (re.compile(rb"<h1[^>]{0,200}>\s{0,200}access denied|you don't have permission to access"), "access denied"),
    (re.compile(rb"<h1[^>]{0,200}>\s{0,200}(?:403 forbidden|429 too many requests)"), "access denied"),
    (re.compile(rb"(?:verify|confirm|prove)(?: that)? you(?: are|'re)(?: a)? human|you(?: are|'re) not a robot"), "a CAPTCHA"),
    (re.compile(rb"unusual (?:traffic|activity) from your"), "a block page"),
    (re.compile(rb"onprotectioninitialized|reeseskipexpirationcheck"), "an Imperva challenge"),
    (re.compile(rb"awswafintegration|awswafcookiedomainlist|\.awswaf\.com"), "an AWS challenge"),
)  # fmt: skip
_INCAPSULA_STUB: Final = re.compile(rb"<script[^>]{0,2000}_incapsula_resource")
_STUB: Final = 4_096
_SHORTEST: Final = 1_024
"""A page cut off before so many bytes is no page of the site, which has its menu there."""
_WORDS: Final = rb"(?:access denied|forbidden|too many requests|rate limit|error code: 10\d\d)"
_PLAIN: Final = re.compile(_WORDS)
_IN_JSON: Final = re.compile(
    rb"\{[^{}\[\]]{0,2000}\"(?:message|error|detail|title|reason)\"\s{0,9}:\s{0,9}\"[^\"]{0,200}?" + _WORDS
)
_CHALLENGE_URL: Final = re.compile(rb"\"url\"\s{0,9}:\s{0,9}\"https?:[\\/]{2,4}[a-z0-9.-]{0,60}captcha-delivery\.com")


def block_reason(content: bytes, status: int) -> str | None:
    """Why this answer is a refusal, in words for a person; None where it is none.

    Args:
        content: the body of the answer.
        status: of the HTTP answer.
    """
    if status in _STATUSES:
        return f"it answered {_STATUSES[status]}"
    start = content[:_LOOKED_AT].removeprefix(b"\xef\xbb\xbf").lstrip()
    if status == _ACCEPTED and not start:
        return "it answered 202 without a word, as a challenge does"
    if start[:1] != b"<":
        return _reason_in_brief(start.lower()) if len(start) < _STUB else None
    if any(mark in content for mark in _CONTENT):
        return None
    page = start.lower().replace(b"\xc2\xa0", b" ").replace(b"&nbsp;", b" ").replace(b"\xe2\x80\x99", b"'")
    title = _TITLE.search(page)
    if title is not None:
        for words, reason in _TITLES:
            if words in title[1]:
                return reason
    for mark, reason in _MARKS:
        if mark.search(page):
            return reason
    is_stub = len(content) < _SHORTEST or (len(content) <= _STUB and b"</html" in page)
    if is_stub and not (title and title[1]) and _INCAPSULA_STUB.search(page):
        return "an Incapsula block page"
    return None


def _reason_in_brief(answer: bytes) -> str | None:
    """The same for a short answer in lower case that is no web page: a line of text, or a little JSON."""
    if _PLAIN.match(answer) or _IN_JSON.match(answer):
        return "access denied"
    return "a CAPTCHA" if _CHALLENGE_URL.search(answer) else None
