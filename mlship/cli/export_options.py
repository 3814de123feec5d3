"""The options of `mlship export`, each as a type with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mlship.targets import TARGET_NAMES

_READ, _PROOF, _NAME = "Reading the model", "Proving", "Naming"

Precision = Literal["auto", "float32", "float64"]

Model = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="A fitted model saved by pickle, joblib or skops, or MLflow's folder; with --target or --advise an .onnx "
        "file too.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE|DIR", help="The artifact, else ./<stem>.onnx; with --target the folder to make."
    ),
]
Sample = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Data to prove the model on too, and to take its baseline from.", rich_help_panel=_PROOF
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(metavar="A,B", help="Names for the columns of a model fitted without names.", rich_help_panel=_READ),
]
Null = Annotated[
    list[str] | None,
    typer.Option(metavar="TEXT", help="A further text that means null in CSV; may be repeated.", rich_help_panel=_READ),
]
Tolerance = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1e-2,
        help="Relative difference of numbers allowed where exact is not reached.",
        rich_help_panel=_PROOF,
    ),
]
Arithmetic = Annotated[
    Precision,
    typer.Option(
        help="Arithmetic of the graph: each model's own, or single or double for all of it.", rich_help_panel=_PROOF
    ),
]
TimeLimit = Annotated[
    float,
    typer.Option(
        min=0.1, metavar="SECONDS", help="Longest time for conversion and proof together.", rich_help_panel=_PROOF
    ),
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Memory that they may take, such as 4GiB; else all of the machine's.",
        rich_help_panel=_PROOF,
    ),
]
Trust = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODULE.NAME",
        help="A class or function of your own that the file holds; may be repeated.",
        rich_help_panel=_READ,
    ),
]
PythonPath = Annotated[
    list[Path] | None,
    typer.Option(metavar="DIR", help="Where modules of your own lie; may be repeated.", rich_help_panel=_READ),
]
AllowMismatch = Annotated[
    bool,
    typer.Option(
        "--allow-version-mismatch",
        help="Load a model of another version of scikit-learn; the file says so.",
        rich_help_panel=_READ,
    ),
]
Name = Annotated[
    str | None, typer.Option(metavar="N", help="Name of the model; else the file's stem.", rich_help_panel=_NAME)
]
ModelVersion = Annotated[
    str | None,
    typer.Option(
        metavar="V", help="Its version; else the first 12 digits of the file's sha256.", rich_help_panel=_NAME
    ),
]
Label = Annotated[
    list[str] | None,
    typer.Option(metavar="K=V", help="A label to carry along; may be repeated.", rich_help_panel=_NAME),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what mlship did not write.")]
TargetName = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="NAME",
        help=f"Make a folder with all that deploying there takes: {', '.join(TARGET_NAMES)}.",
    ),
]
Report = Annotated[
    Path | None, typer.Option(metavar="FILE.html|.json", help="Where to write what was found, for people or programs.")
]

_ADVICE = "Batch or real time?"

Advise = Annotated[
    bool,
    typer.Option(
        "--advise",
        help="Measure the model on this machine, half a minute or so, and tell what fits.",
        rich_help_panel=_ADVICE,
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(min=1.0, max=1e15, metavar="ROWS_PER_DAY", help="Rows to score a day.", rich_help_panel=_ADVICE),
]
Latency = Annotated[
    float | None,
    typer.Option(
        min=1e-3, max=1e9, metavar="MS", help="Milliseconds that a caller waits at most.", rich_help_panel=_ADVICE
    ),
]
Freshness = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="How often predictions have to be renewed: 30s, 15m, 1h, 1d.",
        rich_help_panel=_ADVICE,
    ),
]
CpuHour = Annotated[
    float | None,
    typer.Option(min=0.0, max=1e9, metavar="PRICE", help="Price of a processor for an hour.", rich_help_panel=_ADVICE),
]
