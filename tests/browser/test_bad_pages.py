"""What comes of a scrape for each thing that can be wrong with a page."""

import re

import pytest

from tests.browser.troubles import troubles
from tests.browser.visits import Visiting


@pytest.mark.parametrize("name", list(troubles("http://127.0.0.1")))
def test_a_bad_page_fails_the_scrape_with_its_reason_and_changes_nothing(visiting: Visiting, name: str) -> None:
    """What was captured before it is kept; the site is asked nothing after it; nothing elsewhere is ever opened."""
    site = visiting.site
    trouble = troubles(site.url)[name]
    site.trouble[trouble.pages] = trouble.change
    outcome = visiting.visit()
    assert (outcome.status, outcome.event) == (trouble.status, trouble.event)
    assert trouble.words in outcome.problem
    assert site.elsewhere == []
    assert site.together == 1
    if outcome.event == "matches.ingested":
        assert len(visiting.stored()) == 12
        return
    assert visiting.stored() == {}
    assert re.search(trouble.pages, site.paths[-1])
    asked = [path for path in site.paths if "/live/" not in path]  # where match pages lead on to
    assert len(visiting.captured()) == len(asked) - (0 if trouble.kept else 1)
