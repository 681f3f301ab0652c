"""One JSON object per log line, without personal data: kinds and counts, never values."""

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any

# What a log call may add through `extra`.
EXTRAS = ("reason", "status", "model_version", "port", "workers")


class JsonLines(logging.Formatter):
    """Formats a record as JSON. Of an exception it shows the type and the places, not the text,
    which may quote a request."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in EXTRAS if hasattr(record, name)}
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
            line["places"] = [
                f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(record.exc_info[2])
            ]
        return json.dumps(line)


# Granian configures logging in its main process and in every worker from this one description.
CONFIGURATION = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "pipeline_code.serve.logs.JsonLines"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "json",
            "stream": "ext://sys.stderr",
        }
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # Without this, Granian's defaults would write a second, unstructured line.
        "_granian": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "granian.access": {"handlers": [], "propagate": False},
        "botocore": {"level": "WARNING"},
    },
}
