"""`mlship batch`: options in, one line or one JSON object out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from mlship.cli import batch_options as given
from mlship.cli.options import Json, Quiet, Verbose

if TYPE_CHECKING:
    from mlship.cli.console import Console


def batch(
    ctx: typer.Context,
    input: given.Inputs,  # noqa: A002
    model: given.Model = None,
    output: given.Output = None,
    format: given.Format = None,  # noqa: A002
    keep: given.Keep = "all",
    row_numbers: given.RowNumbers = False,
    rename: given.Rename = None,
    chunk_size: given.ChunkSize = "8MiB",
    workers: given.Workers = None,
    max_rejects: given.MaxRejects = None,
    rejects: given.Rejects = None,
    null: given.Null = None,
    delimiter: given.Delimiter = None,
    quote: given.Quote = None,
    decimal_comma: given.DecimalComma = False,
    encoding: given.Encoding = None,
    no_header: given.NoHeader = False,
    restart: given.Restart = False,
    overwrite: given.Overwrite = False,
    shard: given.ShardOf = None,
    schedule: given.Cron = None,
    timezone: given.Timezone = None,
    stop_at: given.StopAt = None,
    compare: given.Compare = None,
    max_changed: given.MaxChanged = None,
    max_drift: given.MaxDrift = None,
    actual: given.Actual = None,
    report: given.Report = None,
    engine: given.Engine = "local",
    master: given.Master = None,
    conf: given.Conf = None,
    ship_deps: given.ShipDeps = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    json: Json = False,
) -> None:
    """Score files, row by row, with a model.

    Rows that the model cannot take are not scored; they are listed, with the reason, in a file beside the output.
    A run that was stopped goes on where it stood when the same command is given again.
    """
    options = dict(locals())  # by name, since there are so many
    console: Console = ctx.obj
    console.configure(quiet=quiet, verbose=verbose, json=json)
    # Before numpy is loaded: its linear algebra, which nothing here uses, begins by spinning a thread on each core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from mlship.cli.batch_given import Given, said_in
    from mlship.cli.batch_run import score

    score(console, Given.of(options, said_in(ctx)))
