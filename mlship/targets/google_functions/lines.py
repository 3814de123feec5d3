"""The log as Google Cloud reads it: one line of JSON each, with a severity.

The form is that of https://cloud.google.com/logging/docs/structured-logging.
"""

from __future__ import annotations

import json
import logging
import sys

FACTS = "facts"
"""The name under which a record of the log brings further fields, none of which holds a value of a row."""


class Lines(logging.Handler):
    """Writes each record of the log to stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one."""
        told = {"severity": record.levelname, "message": record.getMessage(), **getattr(record, FACTS, {})}
        sys.stderr.write(json.dumps(told) + "\n")
        sys.stderr.flush()


def log_as_lines() -> None:
    """Have what mlship logs written as lines, and by nothing else."""
    logger = logging.getLogger("mlship")
    if not any(isinstance(handler, Lines) for handler in logger.handlers):
        logger.addHandler(Lines())
    logger.setLevel(logging.INFO)
    logger.propagate = False
