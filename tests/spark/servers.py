"""Spark as it runs elsewhere, on loopback: a standalone cluster, and a server of Spark Connect.

Both come from the wheel of pyspark by its own `spark-class` and `spark-submit`. Ports are chosen by the system and read
from the logs.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.spark.processes import descendants, started, wait_until

WORKERS = 2
BRIEF = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Options of a Java that ends soon: it would spend most of its time on making itself faster."""
_SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
_DEFAULTS = """
spark.ui.enabled false
spark.ui.showConsoleProgress false
spark.driver.memory 1g
spark.executor.memory 1g
spark.sql.shuffle.partitions 4
"""


@dataclass(frozen=True)
class Spark:
    """A Spark to connect to.

    Attributes:
        master: What to give as --master.
        env: The environment of whoever connects.
        pids: The processes that it consists of, each with others below it.
    """

    master: str
    env: dict[str, str]
    pids: tuple[int, ...] = ()

    def processes(self) -> list[int]:
        """List all processes of it that there are now."""
        return [*self.pids, *(one for pid in self.pids for one in descendants(pid))]


def spark_home() -> Path:
    """Where pyspark's wheel lies."""
    import pyspark

    return Path(pyspark.__file__).parent


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment that keeps Spark on loopback, small and quiet.

    Args:
        folder: Where its settings and its temporary files are put.
        more: Further variables.
    """
    settings = folder / "conf"
    for made in (settings, folder / "tmp"):
        made.mkdir(parents=True, exist_ok=True)
    # What is killed leaves its temporary files.
    options = f"spark.driver.extraJavaOptions {BRIEF} -Djava.io.tmpdir={folder / 'tmp'}\n"
    (settings / "spark-defaults.conf").write_text(_DEFAULTS + options, encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))},
        "PYTHONPATH": str(root),
        "SPARK_CONF_DIR": str(settings),
        "SPARK_LOCAL_DIRS": str(folder / "local"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LAUNCHER_OPTS": BRIEF,
        **more,
    }


@contextlib.contextmanager
def cluster(folder: Path, python: str = sys.executable, **more: str) -> Iterator[Spark]:
    """Hold a standalone cluster of a master and two workers of one core each.

    Args:
        folder: An empty folder for its logs and files.
        python: The interpreter of the executors.
        more: Further variables of the environment of its processes.
    """
    env = environment(folder, PYSPARK_PYTHON=python)
    own = {**env, "SPARK_DAEMON_MEMORY": "256m", "SPARK_WORKER_DIR": str(folder / "work"), **more}
    spark_class = str(spark_home() / "bin" / "spark-class")
    loopback = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
    with contextlib.ExitStack() as stack:
        log = folder / "master.log"
        process = stack.enter_context(
            started([spark_class, "org.apache.spark.deploy.master.Master", *loopback], log, own)
        )
        pids = [process.pid]
        master = _told(log, r"Starting Spark master at (spark://127\.0\.0\.1:\d+)")
        for number in range(WORKERS):
            log = folder / f"worker{number}.log"
            arguments = [*loopback, "--cores", "1", "--memory", "2g", master]
            process = stack.enter_context(
                started([spark_class, "org.apache.spark.deploy.worker.Worker", *arguments], log, own)
            )
            pids.append(process.pid)
        for number in range(WORKERS):
            _told(folder / f"worker{number}.log", "(Successfully registered with master)")
        yield Spark(master, env, tuple(pids))


@contextlib.contextmanager
def connect_server(folder: Path) -> Iterator[Spark]:
    """Hold a server of Spark Connect that works on two local cores."""
    import pyspark

    env = environment(folder, PYSPARK_PYTHON=sys.executable)
    log = folder / "connect.log"
    options = ["--master", "local[2]", "--conf", "spark.connect.grpc.binding.port=0", "--class", _SERVER]
    if pyspark.__version__.startswith("3."):  # later wheels have it in them
        options += ["--packages", f"org.apache.spark:spark-connect_2.12:{pyspark.__version__}"]
    submit = str(spark_home() / "bin" / "spark-submit")
    with started([submit, *options, "spark-internal"], log, env) as process:
        port = _told(log, r"Spark Connect server started at: .*:(\d+)")
        yield Spark(f"sc://127.0.0.1:{port}", env, (process.pid,))


def _told(log: Path, words: str) -> str:
    """Wait until a log tells something, and return it."""

    def text() -> str:
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

    wait_until(lambda: re.search(words, text()) is not None, lambda: text()[-4000:], 180)
    found = re.search(words, text())
    assert found is not None
    return found.group(1)
