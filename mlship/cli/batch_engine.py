"""The engines of `mlship batch`: which options each has, and how Spark is asked for."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from mlship.batch.engines.spark_session import SparkOptions
from mlship.errors import UsageError

if TYPE_CHECKING:
    from mlship.batch.engines.spark import SparkEngine
    from mlship.batch.run import Check
    from mlship.cli.batch_given import Given
    from mlship.cli.console import Console

ENGINES = ("local", "spark")
_OF_SPARK = ("master", "conf", "ship_deps")
_NOT_ON_SPARK = {
    "row_numbers": "rows of Spark have no number",
    "chunk_size": "Spark cuts the inputs",
    "workers": "Spark's master says how many tasks run at a time",
    "rejects": "rejected rows go to the folder <output>.rejects/",
    "shard": "Spark shares the work out",
    "schedule": "a scheduler of the cluster starts its jobs",
    "timezone": "it belongs to --schedule and --stop-at",
    "stop_at": "a job of Spark does not go on where it stood",
}


def check_engine(engine: str, said: AbstractSet[str]) -> None:
    """Refuse options that an engine does not have.

    Args:
        engine: Its name.
        said: The options that somebody gave.

    Raises:
        UsageError: There is one, or there is no such engine.
    """
    if engine not in ENGINES:
        raise UsageError(f"There is no engine '{engine}'.", hint="--engine local or --engine spark")
    if engine == "local":
        for name in _OF_SPARK:
            if name in said:
                raise UsageError(
                    f"{_option(name)} belongs to Spark.", hint=f"Add --engine spark, or leave {_option(name)} away."
                )
        return
    for name, why in _NOT_ON_SPARK.items():
        if name in said:
            raise UsageError(
                f"{_option(name)} does not go with --engine spark: {why}.", hint=f"Leave {_option(name)} away."
            )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def spark_options(given: Given) -> SparkOptions:
    """Return what a command says of Spark.

    Raises:
        UsageError: A setting is none.
    """
    conf: dict[str, str] = {}
    for text in given.conf or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--conf is '{text}'; K=V was expected.", hint="--conf spark.executor.memory=4g")
        conf[name] = value
    return SparkOptions(given.master, conf, given.ship_deps)


def spark_engine(given: Given, console: Console, checks: tuple[Check, ...]) -> SparkEngine:
    """Return what scores jobs on Spark.

    Raises:
        UsageError: A setting is none, or refused.
        DependencyMissing: Spark is not there.
    """
    from mlship.batch.engines.spark import SparkEngine, Told

    return SparkEngine(spark_options(given), Told(console.say, console.warn, checks, console.verbose))
