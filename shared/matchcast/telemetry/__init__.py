"""Metrics and log lines of a function.

metrics   what a function counts and measures
measured  counters and histograms of this process
lasting   what database, object store and broker say, asked at each scrape
families  that, as Prometheus takes it
counts    counts on their way to the database
asking    questions to what may be slow or away
logs      lines of JSON
"""

from matchcast.telemetry.logs import JsonLines, log_as_json
from matchcast.telemetry.metrics import CONTENT_TYPE, Telemetry

__all__ = ["CONTENT_TYPE", "JsonLines", "Telemetry", "log_as_json"]
