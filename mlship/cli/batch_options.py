"""The options of `mlship batch`, as Typer is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_READ, _WRITE, _ROWS, _RUN = "Reading", "Writing", "Rejects and comparison", "Running"
_SPARK = "Spark"

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Files, folders, patterns, s3:// gs:// az:// URIs, or - for standard input. "
        "CSV, TSV, NDJSON (also .gz, .zst), Parquet, Arrow IPC.",
    ),
]
Model = Annotated[
    Path | None, typer.Option("--model", "-m", help="The model; else MLSHIP_MODEL, else the only .onnx file here.")
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUTPUT",
        help="A file; a folder of parts when it ends in /, as Spark writes; - for standard output. "
        "Else <stem>.scored.<ext> beside each INPUT.",
        rich_help_panel=_WRITE,
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        metavar="csv|tsv|ndjson|parquet|ipc",
        help="The output's format; else what its name says, else INPUT's own. With - as INPUT, that of INPUT too.",
        rich_help_panel=_WRITE,
    ),
]
Keep = Annotated[
    str,
    typer.Option(
        metavar="all|none|COL,COL", help="Columns of the input to put before the predictions.", rich_help_panel=_WRITE
    ),
]
RowNumbers = Annotated[
    bool,
    typer.Option(
        "--row-numbers",
        help="Write each row's number in its file, and the file where there are several.",
        rich_help_panel=_WRITE,
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what mlship did not write.", rich_help_panel=_WRITE)
]
Rename = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL_COLUMN=INPUT_COLUMN",
        help="The input's name for a column of the model; may be repeated.",
        rich_help_panel=_READ,
    ),
]
Null = Annotated[
    list[str] | None,
    typer.Option(metavar="TEXT", help="A further text that means null in CSV; may be repeated.", rich_help_panel=_READ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(metavar="C", help="What parts fields in CSV; else found. tab is a tab.", rich_help_panel=_READ),
]
Quote = Annotated[
    str | None, typer.Option(metavar="C", help='What stands around fields in CSV; else ". none: nothing does.',
                             rich_help_panel=_READ),
]  # fmt: skip
DecimalComma = Annotated[
    bool, typer.Option("--decimal-comma", help="Numbers are written 1,5; else found.", rich_help_panel=_READ)
]
Encoding = Annotated[
    str | None, typer.Option(metavar="E", help="Of texts; else UTF-8, or what a mark tells.", rich_help_panel=_READ)
]
NoHeader = Annotated[
    bool,
    typer.Option(
        "--no-header", help="CSV has no header; its columns are the model's, in order.", rich_help_panel=_READ
    ),
]
MaxRejects = Annotated[
    str | None,
    typer.Option(
        metavar="N|P%",
        help="Rejected rows allowed; a number stops at once (Spark: at the end). Else 1% or 10, whichever is more.",
        rich_help_panel=_ROWS,
    ),
]
Rejects = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Where rejected rows go, with their records; else <output stem>.rejects.ndjson, without them. "
        "From Spark: the folder <output>.rejects/, with records, as its rows have no number.",
        rich_help_panel=_ROWS,
    ),
]
Compare = Annotated[
    Path | None,
    typer.Option(metavar="OTHER.onnx", help="Score the rows with another model too, and compare.",
                 rich_help_panel=_ROWS),
]  # fmt: skip
MaxChanged = Annotated[
    str | None,
    typer.Option(metavar="P%", help="Exit with 9 when more rows than that change; with --compare.",
                 rich_help_panel=_ROWS),
]  # fmt: skip
MaxDrift = Annotated[
    float | None,
    typer.Option(metavar="X", help="Exit with 9 when a column's PSI against the baseline is larger.",
                 rich_help_panel=_ROWS),
]  # fmt: skip
Actual = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="The column that tells what came true, to judge the predictions by.",
                 rich_help_panel=_ROWS),
]  # fmt: skip
Report = Annotated[
    Path | None, typer.Option(metavar="FILE.html|.json", help="Write what the run found.", rich_help_panel=_ROWS)
]
ChunkSize = Annotated[str, typer.Option(metavar="SIZE", help="About how much is read at a time.", rich_help_panel=_RUN)]
Workers = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Chunks scored at a time; else one for each CPU.", rich_help_panel=_RUN),
]
Restart = Annotated[
    bool,
    typer.Option("--restart", help="Begin anew where an unfinished or finished run is known.", rich_help_panel=_RUN),
]
ShardOf = Annotated[
    str | None,
    typer.Option(
        metavar="I/N|auto",
        help="Score the I-th of N parts of the work, from 0; auto: as an array job of AWS Batch says.",
        rich_help_panel=_RUN,
    ),
]
Cron = Annotated[
    str | None,
    typer.Option(metavar="CRON", help="Stay, and run at these times, such as '0 2 * * *'.", rich_help_panel=_RUN),
]
Timezone = Annotated[
    str | None,
    typer.Option(metavar="Z", help="Of --schedule and --stop-at; else this machine's.", rich_help_panel=_RUN),
]
StopAt = Annotated[
    str | None,
    typer.Option(metavar="HH:MM", help="Stop at this time, to go on at the next run; exit code 6.",
                 rich_help_panel=_RUN),
]  # fmt: skip
Engine = Annotated[
    str,
    typer.Option(
        metavar="local|spark",
        help="Where rows are scored: in this process, or on Apache Spark.",
        rich_help_panel=_SPARK,
    ),
]
Master = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Spark's master: local[4], spark://HOST:7077, yarn, or sc://HOST:15002 for Spark Connect. "
        "Else the session that is there.",
        rich_help_panel=_SPARK,
    ),
]
Conf = Annotated[
    list[str] | None,
    typer.Option(metavar="K=V", help="A setting of Spark's session; may be repeated.", rich_help_panel=_SPARK),
]
ShipDeps = Annotated[
    bool,
    typer.Option("--ship-deps", help="Send mlship and its libraries to executors that lack them.",
                 rich_help_panel=_SPARK),
]  # fmt: skip
