"""What Spark says when it fails, told as errors of ours: never a traceback of Java or Python."""

from __future__ import annotations

import re

from mlship.batch.engines.spark_work import error_in
from mlship.errors import DependencyMissing, InputRefused, MlshipError, OutputFailed

_ABSENT = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_OTHER_PYTHON = re.compile(r"PYTHON_VERSION_MISMATCH.*?(\d+\.\d+).*?(\d+\.\d+)", re.DOTALL)
_NO_PYTHON = re.compile(r'Cannot run program "([^"]+)"')
_NO_PATH = re.compile(r"(?:PATH_NOT_FOUND\] )?Path does not exist: (\S+)")
_DAMAGED = ("EOFException: Unexpected end of input stream", "not a gzip file", "is not a Parquet file", "ZlibException")
_TYPES = ("Illegal Parquet type", "PARQUET_TYPE_", "UNSUPPORTED_TIME_TYPE", "exceeds max precision")
_CLASS = re.compile(r"^(?:[a-z][\w$]*\.)+[\w$]+(?:Exception|Error): ")
_LONGEST = 300


def of_spark(error: Exception, *, shipped: bool) -> MlshipError:
    """Return the error to be told.

    Args:
        error: What pyspark raised.
        shipped: Whether the executors were given the libraries.
    """
    text = _text(error)
    return error_in(text) or _of_executors(text, shipped=shipped) or _of_inputs(text) or _other(text)


def _text(error: BaseException) -> str:
    parts: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(parts) < 8:
        parts.append(str(seen))
        seen = getattr(seen, "_cause", None) or seen.__cause__
    return "\n".join(parts)


def _of_executors(text: str, *, shipped: bool) -> MlshipError | None:
    absent = _ABSENT.search(text)
    if absent is not None:
        return DependencyMissing(
            f"The executors' Python lacks the library '{absent[1].partition('.')[0]}'.",
            hint="Name a Python that has it: --conf spark.pyspark.python=/path/to/python"
            + ("" if shipped else ", or send it to executors elsewhere: --ship-deps"),
        )
    other = _OTHER_PYTHON.search(text)
    if other is not None:
        return DependencyMissing(
            f"The executors run Python {other[1]}, and this is Python {other[2]}.",
            hint="Name one of the same version: --conf spark.pyspark.python=/path/to/python",
        )
    program = _NO_PYTHON.search(text)
    if program is not None:
        return DependencyMissing(
            f"The executors have no Python '{program[1]}'.",
            hint="Name the one that they have: --conf spark.pyspark.python=/path/to/python",
        )
    return None


def _of_inputs(text: str) -> MlshipError | None:
    path = _NO_PATH.search(text)
    if path is not None:
        return InputRefused(
            f"Spark finds no input '{path[1].rstrip('.')}'.", hint="Check the path where Spark runs.", code="no_input"
        )
    if any(words in text for words in _TYPES):
        return InputRefused(
            f"An input has a column of a type that Spark does not have: {first_line(text)}.",
            hint="Score it with: --engine local",
            code="type_unknown_to_spark",
        )
    if any(words in text for words in _DAMAGED):
        return InputRefused(
            f"Spark cannot read an input, which may be damaged: {first_line(text)}.",
            hint="Check that the files were copied whole.",
            code="damaged_input",
        )
    return None


def _other(text: str) -> MlshipError:
    hint = "Run the command again, with -v for what Spark says."
    return OutputFailed(f"Spark failed: {first_line(text)}.", hint=hint, code="spark_failed")


def first_line(text: str) -> str:
    """Return the line of an error's text that says most, without names of classes."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    caused = [line.partition("Caused by: ")[2] for line in lines if line.startswith("Caused by: ")]
    line = (caused or lines or ["no reason was given"])[-1 if caused else 0]
    while found := _CLASS.match(line):
        line = line[found.end() :]
    return line[:_LONGEST].rstrip(".")
