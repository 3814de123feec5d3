"""Finding or making a session of Spark; the session that is there is taken as it is."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mlship import extras
from mlship.batch.engines.spark_errors import of_spark
from mlship.batch.engines.spark_settings import exact_settings
from mlship.batch.run import Check
from mlship.errors import DependencyMissing, MlshipError, UsageError

_LOCAL = re.compile(r"local(?:\[(\*|[0-9]+)(?:,\s*([0-9]+))?\])?")
_ATTEMPTS = 4
"""How many times a task is tried; by itself `local[N]` fails at the first worker that dies."""

_COMMITTER = "mapreduce.fileoutputcommitter.algorithm.version"
_LOOPBACK = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
_POLL = 0.1  # seconds
INSTALL = "pip install 'mlship[spark]'"
_T = TypeVar("_T")


@dataclass(frozen=True)
class SparkOptions:
    """What a command says of Spark.

    Attributes:
        master: Spark's master, or None for the session that is there.
        conf: Further settings of the session.
        ship_deps: Whether executors are sent mlship and its libraries.
    """

    master: str | None = None
    conf: Mapping[str, str] = field(default_factory=dict)
    ship_deps: bool = False


@dataclass(frozen=True)
class OpenSession:
    """A session of Spark.

    Attributes:
        spark: The pyspark.sql.SparkSession.
        own: Whether this command made it, and so ends it.
        connect: Whether it is one of Spark Connect.
        master: What it runs on, for people.
        log: What Spark says, or None where that is not ours to keep.
        shipped: Whether executors were sent libraries.
    """

    spark: Any
    own: bool
    connect: bool
    master: str
    log: Path | None
    shipped: bool = False

    def act(self, action: Callable[[], _T], checks: tuple[Check, ...]) -> _T:
        """Do something that takes Spark some time, and stop it when a check says so.

        Raises:
            Stopped: A signal came; Spark's jobs are ended then.
        """
        found: list[_T] = []
        failed: list[BaseException] = []

        def call() -> None:
            try:
                found.append(action())
            except BaseException as error:  # noqa: BLE001  raised again where it is waited for
                failed.append(error)

        thread = threading.Thread(target=call, name="mlship-spark", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(_POLL)
            try:
                for check in checks:
                    check.check()
            except MlshipError:
                self._end_jobs()
                thread.join(10)
                raise
        if failed:
            raise failed[0]
        return found[0]

    def _end_jobs(self) -> None:
        with contextlib.suppress(Exception):
            if self.own:
                self.spark.stop()
            else:
                self.spark.interruptAll()


def check_conf(conf: Mapping[str, str]) -> None:
    """Refuse settings under which an output could be half there.

    Raises:
        UsageError: There is one.
    """
    for name in (_COMMITTER, f"spark.hadoop.{_COMMITTER}"):
        if conf.get(name, "1") != "1":
            raise UsageError(
                f"--conf {name}={conf[name]} gives parts their names before a job is done; it has to be 1.",
                hint=f"Leave --conf {name} away.",
            )


@contextlib.contextmanager
def spark_session(options: SparkOptions, archive: Callable[[Path], Path], *, verbose: bool) -> Iterator[OpenSession]:
    """Hold a session for the length of a `with` block.

    Args:
        options: What was asked for.
        archive: Makes the archive of libraries for executors in a folder.
        verbose: Whether Spark's own messages go to stderr.

    Raises:
        DependencyMissing: pyspark or Java is not there.
        UsageError: A master is named where a session is there already, or libraries cannot be sent.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pyspark says of other libraries is no news to the user
        sql = extras.load("pyspark.sql", needed_for="--engine spark", hint=INSTALL)
        with tempfile.TemporaryDirectory(prefix="mlship-spark-") as folder:
            opened = _opened(
                sql.SparkSession, options, lambda: archive(Path(folder)), None if verbose else Path(folder)
            )
            try:
                with exact_settings(opened.spark):
                    yield opened
            finally:
                if opened.own:
                    with contextlib.suppress(Exception):  # it may have been stopped, or its Java have died
                        opened.spark.stop()


def _opened(sessions: Any, options: SparkOptions, archive: Callable[[], Path], folder: Path | None) -> OpenSession:
    active = sessions.getActiveSession()
    there = active is not None or "PYSPARK_GATEWAY_PORT" in os.environ
    connect = _is_connect(options, active)
    if there and options.master is not None:
        raise UsageError("--master is given, but a session of Spark is there already.", hint="Leave --master away.")
    if options.ship_deps:
        _check_shipping(options, there=there, connect=connect)
    if active is not None:
        for name, value in options.conf.items():
            active.conf.set(name, value)
        return OpenSession(active, own=False, connect=connect, master="the session that is there", log=None)
    if not connect and not there:
        _check_java()
    builder = sessions.builder if there else sessions.builder.appName("mlship batch")  # spark-submit has --name
    if connect:
        builder = builder.remote(options.master or os.environ["SPARK_REMOTE"])
    else:
        builder = _configured(builder, options, there=there)
        if options.ship_deps:
            builder = builder.config("spark.archives", f"{archive()}#deps").config(
                "spark.executorEnv.PYTHONPATH", "./deps"
            )
    for name, value in options.conf.items():
        builder = builder.config(name, value)
    log = None if folder is None or there or connect else folder / "spark.log"
    spark = _made(builder, log)
    master = options.master or ("Spark Connect" if connect else spark.conf.get("spark.master"))
    return OpenSession(spark, own=not there, connect=connect, master=master, log=log, shipped=options.ship_deps)


def _is_connect(options: SparkOptions, active: Any) -> bool:
    if active is not None:
        return "connect" in type(active).__module__
    return (options.master or os.environ.get("SPARK_REMOTE", "")).startswith("sc://")


def _check_shipping(options: SparkOptions, *, there: bool, connect: bool) -> None:
    if there or connect:
        raise UsageError(
            "--ship-deps sends libraries when a session is made, and this one is there already.",
            hint="Install mlship where its executors run, or start it with spark.archives.",
        )
    if options.master is None or _LOCAL.fullmatch(options.master):
        raise UsageError(
            "--ship-deps sends libraries to other machines, but a local master runs in this very Python.",
            hint="Leave --ship-deps away.",
        )


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        return
    if shutil.which("java") is None or home:
        where = f"in JAVA_HOME, which is '{home}'" if home else "on the PATH"
        raise DependencyMissing(
            f"--engine spark needs Java 17, and there is none {where}.", hint="apt-get install openjdk-17-jre-headless"
        )


def _configured(builder: Any, options: SparkOptions, *, there: bool) -> Any:
    """What Spark is told where this command starts it."""
    settings: dict[str, str] = {f"spark.hadoop.{_COMMITTER}": "1"}
    if there:  # under spark-submit, which has said the rest
        return builder
    master = options.master
    if master is None and not {"SPARK_HOME", "SPARK_CONF_DIR"} & os.environ.keys():
        master = "local[*]"  # as pyspark itself has it
    match = _LOCAL.fullmatch(master or "")
    if match is not None:
        master = f"local[{match[1] or 1},{match[2] or _ATTEMPTS}]"
        settings |= {**_LOOPBACK, "spark.ui.enabled": "false"}
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    python = options.conf.get("spark.pyspark.python")
    if python:  # which pyspark itself passes over where it starts Spark
        os.environ["PYSPARK_PYTHON"] = python
    settings["spark.ui.showConsoleProgress"] = "false"
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder if master is None else builder.master(master)


def _made(builder: Any, log: Path | None) -> Any:
    try:
        with _quiet(log):
            return builder.getOrCreate()
    except Exception as error:
        text = log.read_text(errors="replace") if log is not None and log.exists() else ""
        if "JAVA_GATEWAY_EXITED" in str(error) and "UnsupportedClassVersionError" in text:
            raise DependencyMissing(
                "--engine spark needs Java 17, and the Java that is there is older.", hint="java -version"
            ) from error
        raise of_spark(error, shipped=False) from error


@contextlib.contextmanager
def _quiet(log: Path | None) -> Iterator[None]:
    """Have what is started meanwhile write to a log instead of our stdout and stderr."""
    if log is None:
        yield
        return
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [(number, os.dup(number)) for number in (1, 2)]
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for number, _ in kept:
            os.dup2(target, number)
        yield
    finally:
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)
        os.close(target)
