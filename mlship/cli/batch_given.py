"""The options of `mlship batch` as they were given, and the job that they ask for."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlship.batch.inputs import STDIN
from mlship.batch.job import BatchJob, Gates
from mlship.batch.limit import DEFAULT, RejectLimit, parse_limit, parse_share
from mlship.batch.shards import parse_shard
from mlship.cli.batch_engine import check_engine
from mlship.cli.options import parse_keep, parse_size
from mlship.errors import UsageError
from mlship.quota import available_cpus, default_workers
from mlship.report.document import check_report
from mlship.tables.dialect import Told

if TYPE_CHECKING:
    import typer

    from mlship.cli.console import Console


@dataclass(frozen=True)
class Given:
    """The options as they were given; see `cli.batch_options`."""

    input: list[str]
    model: Path | None
    output: str | None
    format: str | None
    keep: str
    row_numbers: bool
    rename: list[str] | None
    chunk_size: str
    workers: int | None
    max_rejects: str | None
    rejects: Path | None
    null: list[str] | None
    delimiter: str | None
    quote: str | None
    decimal_comma: bool
    encoding: str | None
    no_header: bool
    restart: bool
    overwrite: bool
    shard: str | None
    schedule: str | None
    timezone: str | None
    stop_at: str | None
    compare: Path | None
    max_changed: str | None
    max_drift: float | None
    actual: str | None
    report: Path | None
    engine: str
    master: str | None
    conf: list[str] | None
    ship_deps: bool
    said: frozenset[str] = frozenset()

    @classmethod
    def of(cls, options: dict[str, Any], said: frozenset[str]) -> Given:
        """Take the options out of a command's parameters.

        Args:
            options: The parameters.
            said: Which of them somebody gave, on the command line or in the environment.
        """
        return cls(**{item.name: options[item.name] for item in fields(cls) if item.name != "said"}, said=said)


def said_in(ctx: typer.Context) -> frozenset[str]:
    """Return the names of the parameters that are no defaults."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    return frozenset(name for name, source in sources.items() if source is not None and source.name != "DEFAULT")


def check(console: Console, given: Given) -> None:
    """Refuse options that contradict each other.

    Raises:
        UsageError: They do.
    """
    if given.output == "-" and console.json:
        raise UsageError("--json and -o - both write to standard output.", hint="Leave one of them away.")
    if given.schedule is not None and console.json:
        raise UsageError("--json is one object, but --schedule does many runs.", hint="Leave --json away.")
    if given.input == [STDIN] and given.schedule is not None:
        raise UsageError("Standard input can be read once, not on a schedule.", hint="Name a file.")
    if given.timezone is not None and given.schedule is None and given.stop_at is None:
        raise UsageError("--timezone belongs to --schedule or --stop-at.", hint="Leave it away.")
    if given.max_changed is not None and given.compare is None:
        raise UsageError("--max-changed needs a model to compare with.", hint="--compare OTHER.onnx")
    if given.output is not None and given.output.endswith("/") and Path(given.output).name in ("", ".."):
        raise UsageError(f"The output '{given.output}' is a folder without a name.", hint="-o scored/")
    if given.report is not None:
        check_report(given.report)
    check_engine(given.engine, given.said)


def job_of(given: Given) -> BatchJob:
    """Return the job, without its inputs.

    Raises:
        UsageError: An option means nothing.
    """
    limit = DEFAULT if given.max_rejects is None else parse_limit(given.max_rejects)
    if given.output == "-" and given.max_rejects is None and given.rejects is None:
        limit = RejectLimit(rows=0, percent=None)  # there is no place where a rejected row would be told
    return BatchJob(
        inputs=(),
        output=given.output,
        format=given.format,
        keep=parse_keep(given.keep, "columns"),
        row_numbers=given.row_numbers,
        rename=_parse_rename(given.rename or []),
        chunk_size=parse_size(given.chunk_size, "--chunk-size"),
        workers=given.workers or default_workers(available_cpus()),
        limit=limit,
        rejects=given.rejects,
        report=given.report,
        null=tuple(given.null or ()),
        told=_told(given),
        no_header=given.no_header,
        restart=given.restart,
        overwrite=given.overwrite,
        shard=None if given.shard is None else parse_shard(given.shard),
        compare=given.compare,
        actual=given.actual,
        gates=Gates(given.max_drift, None if given.max_changed is None else parse_share(given.max_changed)),
    )


def _told(given: Given) -> Told:
    told = Told(
        delimiter=None if given.delimiter is None else _character(given.delimiter, "--delimiter"),
        quote=None
        if given.quote is None
        else ""
        if given.quote in ("", "none")
        else _character(given.quote, "--quote"),
        decimal_comma=True if given.decimal_comma else None,
        encoding=None if given.encoding is None else _encoding(given.encoding),
    )
    if told.delimiter is not None and told.delimiter == ('"' if told.quote is None else told.quote):
        raise UsageError(f"--delimiter and the quote are both '{told.delimiter}'.", hint="--quote none")
    return told


def _character(text: str, option: str) -> str:
    text = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(text) != 1 or not text.isascii() or text in "\r\n\0":
        raise UsageError(f"{option} is '{text}'; one ASCII character was expected.", hint=f"{option} ';'")
    return text


def _encoding(name: str) -> str:
    try:
        found = codecs.lookup(name)
    except LookupError:
        found = None
    if found is None or not found._is_text_encoding:
        raise UsageError(f"There is no encoding '{name}'.", hint="--encoding windows-1252")
    return found.name


def _parse_rename(texts: list[str]) -> dict[str, str]:
    renamed = {}
    for text in texts:
        name, equals, other = text.partition("=")
        if not equals or not name or not other:
            raise UsageError(
                f"--rename is '{text}'; MODEL_COLUMN=INPUT_COLUMN was expected.", hint="--rename age=alter"
            )
        if name in renamed:
            raise UsageError(f"--rename names the model's column '{name}' twice.", hint="Leave one --rename away.")
        renamed[name] = other
    return renamed
