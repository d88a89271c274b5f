import os

from matchcast.settings import DriftSettings, read_settings
from matchcast.web.app import serve

serve("functions.drift.main:app", drain=read_settings(DriftSettings, os.environ).drain_seconds)
