import os

from matchcast.settings import PredictAsyncSettings, read_settings
from matchcast.web.app import serve

serve("functions.predict_async.main:app", drain=read_settings(PredictAsyncSettings, os.environ).drain_seconds)
