import os

from matchcast.settings import ScrapeSettings, read_settings
from matchcast.web.app import serve

serve("functions.scrape.main:app", drain=read_settings(ScrapeSettings, os.environ).drain_seconds)
