"""The `mlship` command: its three subcommands and the one boundary at which errors become exit codes.

Nothing heavy is imported here or in the command modules' heads, so that `mlship --help` answers at once.
"""

from __future__ import annotations

import gc
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any

import typer

from mlship import __version__
from mlship.cli.batch import batch
from mlship.cli.console import Console
from mlship.cli.export import export
from mlship.cli.help import Command, Group
from mlship.cli.serve import serve
from mlship.errors import MlshipError, Stopped, exit_code_of

# Objects made before cycles among them are looked for: our work makes few, and every look passes over all libraries.
_GARBAGE = 20_000
_BUG_HINT = "This is a bug of mlship. Run the command again with -v and report what it prints."

app = typer.Typer(
    name="mlship",
    cls=Group,
    help="Take a trained model to production, in batch or in real time, from one proven ONNX file.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=(
        "mlship export model.pkl --sample training.csv\n"
        "mlship batch customers.csv -m model.onnx\n"
        "mlship serve model.onnx"
    ),
    context_settings={"help_option_names": ["--help", "-h"]},
)
_EXAMPLES: dict[Callable[..., None], str] = {
    export: (
        "mlship export model.pkl\n"
        "mlship export model.pkl --sample training.csv --report report.html\n"
        "mlship export model.joblib --python-path src --trust mypackage.MyTransformer\n"
        "mlship export model.pkl --target docker -o bundle"
    ),
    batch: (
        "mlship batch customers.csv\n"
        "mlship batch 'in/*.parquet' -m model.onnx -o scored/ --report report.html\n"
        "mlship batch customers.csv -m new.onnx --compare old.onnx --max-changed 1%\n"
        "cat rows.ndjson | mlship batch - --format ndjson -m model.onnx -o -"
    ),
    serve: (
        "mlship serve model.onnx\n"
        "mlship serve churn=a.onnx risk=b.onnx --port 9000\n"
        "mlship serve model.onnx --host 0.0.0.0 --token-file tokens.txt\n"
        "mlship serve new.onnx --shadow old.onnx"
    ),
}
for _command, _examples in _EXAMPLES.items():
    # MLSHIP_BATCH_OUTPUT and the like, for the subcommands' options only
    _settings = {"auto_envvar_prefix": f"MLSHIP_{_command.__name__.upper()}"}
    app.command(cls=Command, epilog=_examples, context_settings=_settings)(_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mlship {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Hold the options that come before a subcommand."""


def main() -> None:
    """Run the command line of this process and exit."""
    gc.set_threshold(_GARBAGE)
    code = run(sys.argv[1:])
    gc.freeze()  # or Python, as it ends, looks twice for cycles among all that the libraries made
    sys.exit(code)


_NOTHING_DONE: dict[str, Any] = {
    "model": None,
    "rows": {"in": 0, "out": 0, "rejected": 0},
    "rejects": {},
    "outputs": [],
    "rejects_file": None,
    "seconds": 0.0,
}
"""What --json tells of work, where a command failed before any."""


def run(argv: list[str]) -> int:
    """Run one command line.

    Args:
        argv: The arguments after the program's name.

    Returns:
        The exit code.
    """
    console = Console(json=_asks_for_json(argv))
    try:
        code = app(args=argv, prog_name="mlship", standalone_mode=False, obj=console)
    except MlshipError as error:
        if console.verbose:
            console.trace(traceback.format_exc())
        return _failed(console, exit_code_of(error), error)
    except Exception as error:  # noqa: BLE001  the one boundary: nothing may reach the user as a traceback
        if _is_usage_error(error):
            return _usage(console, error)
        if console.verbose:
            console.trace(traceback.format_exc())
        return _failed(console, 1, MlshipError(f"{type(error).__name__}: {error}", hint=_BUG_HINT))
    if code == 128 + signal.SIGINT:  # how Typer tells a KeyboardInterrupt
        return _failed(console, code, Stopped(signal.SIGINT, "Stopped by SIGINT."))
    return code if isinstance(code, int) else 0


def _asks_for_json(argv: list[str]) -> bool:
    """Whether --json stands among the options; needed before parsing, as parsing itself may fail."""
    options = argv[: argv.index("--")] if "--" in argv else argv
    return "--json" in options


def _is_usage_error(error: Exception) -> bool:
    """Typer carries its own copy of Click, whose classes are not public: its errors know how to format themselves."""
    return hasattr(error, "format_message") and getattr(error, "exit_code", None) == 2


def _usage(console: Console, error: Any) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message(), err=True)
        return 2
    command = error.ctx.command_path if getattr(error, "ctx", None) else "mlship"
    problem = MlshipError(error.format_message(), hint=f"See: {command} --help", code="usage")
    return _failed(console, 2, problem)


def _failed(console: Console, code: int, error: MlshipError) -> int:
    console.error(error)
    if console.json:
        console.result(
            {
                **_NOTHING_DONE,
                **error.facts,
                "status": "stopped" if isinstance(error, Stopped) else "failed",
                "exit_code": code,
                "error": {"code": error.code, "message": error.message, "hint": error.hint},
            }
        )
    return code
