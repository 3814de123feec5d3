"""How much longer a row takes on Spark than on one machine, beside what plain Spark takes without mlship.

Run with `make bench-spark`, or `python -m tests.benchmarks.bench_spark [--only NAME] [--rounds N] [--rows N]`.
All jobs are done in turn in one process, on as many cores, and those of the first rounds do not count: Spark is at its
speed from the third job of a session on. Figures are medians. What is judged is the time that passed, for which the
machine has to be quiet; on one that does other work CPU, that of all processes of Spark included, tells more.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.rows import CACHE
from tests.spark.processes import cpu_seconds, descendants

COLUMNS = tuple(f"f{column}" for column in range(20))
FILES = 8
MOST_ABOVE = 1.5
"""Microseconds that a row may take more on Spark than with the local engine."""
WARM_UP = 2
"""Rounds that do not count."""
CORES = 2
OURS = "Spark engine"
_TRAINED = 20_000
LINE = "{:6} {:26} {:>9} {:>12} {:>9} {:>12}  {}"

Taken = dict[str, list[tuple[float, float]]]
"""Seconds that passed and seconds of CPU of each job, by its name."""


def logistic_regression() -> Any:
    """Make the model that takes least."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)


def boosting() -> Any:
    """Make a hundred trees."""
    from sklearn.ensemble import GradientBoostingClassifier

    return GradientBoostingClassifier(n_estimators=100, max_depth=4, subsample=0.2, random_state=0)


MODELS: dict[str, Callable[[], Any]] = {"lr": logistic_regression, "gbt": boosting}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="bench_spark", description=__doc__)
    parser.add_argument("--only", choices=MODELS, help="the only model to measure with")
    parser.add_argument("--rounds", type=int, default=3, help="how many rounds count")
    parser.add_argument("--rows", type=int, default=5_000_000, help="how many rows")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where rows and models are kept")
    options = parser.parse_args(arguments)
    rows = put_rows(options.cache / f"spark-{options.rows}", options.rows)
    print(f"{options.rows:,} rows of {len(COLUMNS)} float32 in Parquet, {CORES} cores, {options.rounds} rounds")
    print(LINE.format("", "us a row:", "wall", "above local", "CPU", "above local", ""), flush=True)
    with session() as spark, tempfile.TemporaryDirectory(prefix="mlship-bench-") as folder:
        for name in MODELS if options.only is None else [options.only]:
            model = put_model(options.cache / f"spark-{name}.onnx", MODELS[name])
            jobs = jobs_of(spark, model, rows, Path(folder))
            for line in lines(name, measured(jobs, options.rounds), options.rows):
                print(line, flush=True)


@contextlib.contextmanager
def session() -> Iterator[Any]:
    """Hold the session that all jobs on Spark share."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master(f"local[{CORES},4]").appName("bench")
    settings = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.driver.memory": "2g"}
    for key, value in settings.items():
        builder = builder.config(key, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pyspark says of other libraries
        spark = builder.getOrCreate()
        try:
            yield spark
        finally:
            spark.stop()


def jobs_of(spark: Any, model: Path, rows: Path, folder: Path) -> dict[str, Callable[[], None]]:
    """Return what is measured: each job reads the rows, scores them and writes `id` with the scores as Parquet."""
    return {
        "local engine": partial(mlship, model, rows, folder / "local", "--workers", str(CORES)),
        OURS: partial(mlship, model, rows, folder / "spark", "--engine", "spark"),
        "plain Spark, onnxruntime": partial(plain, spark, model, rows, folder / "plain"),
    }


def mlship(model: Path, rows: Path, target: Path, *options: str) -> None:
    """Do a job of ours.

    Raises:
        RuntimeError: It failed.
    """
    from mlship.cli.main import run

    shutil.rmtree(target, ignore_errors=True)
    output = ["-o", f"{target}/", "--format", "parquet", "--keep", "id", "--restart", "--quiet", "--json"]
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        code = run(["batch", f"{rows}/", "-m", str(model), *output, *options])
    if code != 0:
        raise RuntimeError(f"mlship batch {' '.join(options)} ended with {code}: {told.getvalue()}")


def plain(spark: Any, model: Path, rows: Path, target: Path) -> None:
    """Do what a user would write: no contract on values, no rejects, no proof and no report."""
    graph = model.read_bytes()

    def score(batches: Iterator[Any]) -> Iterator[Any]:
        import numpy as np
        import onnxruntime as ort
        import pyarrow as pa

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        given = session.get_inputs()[0]
        dtype = np.float32 if given.type == "tensor(float)" else np.float64
        for batch in batches:
            matrix = np.empty((batch.num_rows, len(COLUMNS)), dtype)
            for place, name in enumerate(COLUMNS):
                matrix[:, place] = batch.column(batch.schema.get_field_index(name)).to_numpy(zero_copy_only=False)
            labels, chances = session.run(None, {given.name: matrix})[:2]
            arrays = [labels.reshape(-1), *np.asarray(chances, np.float64).T]
            yield pa.RecordBatch.from_arrays([batch.column(0), *map(pa.array, arrays)], names=NAMES)

    schema = "id long, prediction long, probability_0 double, probability_1 double"
    frame = spark.read.parquet(str(rows)).select("id", *COLUMNS)
    frame.mapInArrow(score, schema).write.mode("overwrite").parquet(str(target))


NAMES = ["id", "prediction", "probability_0", "probability_1"]


def measured(jobs: dict[str, Callable[[], None]], rounds: int) -> Taken:
    """Do the jobs in turn and return what each took, but for those of the first rounds."""
    taken: Taken = {name: [] for name in jobs}
    for _ in range(WARM_UP + rounds):
        for name, job in jobs.items():
            began, before = time.perf_counter(), cpu()
            job()
            taken[name].append((time.perf_counter() - began, cpu() - before))
    return {name: seconds[WARM_UP:] for name, seconds in taken.items()}


def cpu() -> float:
    """Return how many seconds of CPU this process, Spark's Java and its workers have taken."""
    return sum(map(cpu_seconds, (os.getpid(), *descendants(os.getpid()))))


def lines(model: str, taken: Taken, rows: int) -> Iterator[str]:
    """Return the lines for the table; what is above the local engine is the median of the rounds."""
    local = next(iter(taken.values()))
    for place, (name, seconds) in enumerate(taken.items()):
        cells = []
        for measure in (0, 1):
            pairs = [(ours[measure], theirs[measure]) for ours, theirs in zip(seconds, local, strict=True)]
            above = median(ours - theirs for ours, theirs in pairs) / rows * 1e6
            cells += [f"{median(ours for ours, _ in pairs) / rows * 1e6:.2f}", f"{above:+.2f}" if place else ""]
        said = ""
        if name == OURS:
            said = f"{'holds' if float(cells[1]) <= MOST_ABOVE else 'not reached'} (wall, at most {MOST_ABOVE})"
        yield LINE.format(model, name, *cells, said).rstrip()


def put_rows(folder: Path, rows: int) -> Path:
    """Return a folder of Parquet files with `id` and 20 columns of float32, written if it is not there."""
    import numpy as np
    import polars as pl

    if not folder.exists():
        part = folder.with_name(f"part-{folder.name}")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        dice = np.random.default_rng(0)
        size = -(-rows // FILES)
        for number in range(FILES):
            ids = np.arange(number * size, min((number + 1) * size, rows))
            values = dice.standard_normal((len(COLUMNS), len(ids)), np.float32)
            columns = dict(zip(COLUMNS, values, strict=True))
            pl.DataFrame({"id": ids, **columns}).write_parquet(part / f"part{number}.parquet")
        part.rename(folder)
    return folder


def put_model(path: Path, make: Callable[[], Any]) -> Path:
    """Return the export of a model that is trained if it is not there."""
    import joblib
    import numpy as np
    import pandas as pd

    from mlship.export.job import ExportJob
    from mlship.export.run import run_export

    if not path.exists():
        dice = np.random.default_rng(1)
        rows = pd.DataFrame(dice.standard_normal((_TRAINED, len(COLUMNS)), np.float32), columns=COLUMNS)
        chance = rows @ dice.standard_normal(len(COLUMNS)) + rows["f0"] * rows["f1"] + dice.standard_normal(_TRAINED)
        fitted = path.with_suffix(".joblib")
        joblib.dump(make().fit(rows, (chance > 0).astype(int)), fitted)
        run_export(ExportJob(fitted, output=path))
    return path


if __name__ == "__main__":
    main()
