"""Log lines of a function."""

import json
import logging
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

_ENCODE: Final = msgspec.json.Encoder(enc_hook=str).encode
_OWN_FIELDS: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "color_message"}


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the record's extra fields, the stack of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in record.__dict__.items() if name not in _OWN_FIELDS}
        if record.exc_info:
            line["stack"] = self.formatException(record.exc_info)
        try:
            return _ENCODE(line).decode()
        except (UnicodeEncodeError, TypeError, RecursionError):
            return json.dumps(line, default=str)


def log_as_json(level: str) -> None:
    """Send the log to standard error as JSON lines, from this level on; again is the same as once."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no line shows them
    root = logging.getLogger()
    root.setLevel(level)
    logging.getLogger("httpx").setLevel(max(root.level, logging.WARNING))  # a line for every event published
    if not any(isinstance(handler.formatter, JsonLines) for handler in root.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
        root.addHandler(handler)
