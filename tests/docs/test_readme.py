"""The README says what happens: its commands are run, and what they print is compared."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PORT = 8000
BASH = shutil.which("bash") or "bash"
_SAME = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks(language: str) -> list[str]:
    """Return the README's fenced blocks of one language."""
    return [text for kind, text in _BLOCK.findall(README) if kind == language]


def steps(block: str) -> list[tuple[str, str]]:
    """Split a console block into commands and the output shown for each."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)
    assert parts[0] == "", "a console block begins with a command"
    return list(zip(parts[1::2], parts[2::2], strict=True))


@dataclass
class Shell:
    """Runs the README's commands in a folder, with the `mlship` that is being tested first on the path.

    Attributes:
        folder: Where the commands run.
        port: The port that stands for the README's.
    """

    folder: Path
    port: int
    servers: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(self, command: str) -> str:
        """Run one command and return what it printed on both streams, in the README's terms."""
        done = subprocess.run(
            [BASH, "-c", self._local(command)],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return self._shown(done.stdout)

    def start(self, command: str) -> str:
        """Start a server and return what it printed until it was ready."""
        server = subprocess.Popen(
            [BASH, "-c", f"exec {self._local(command)} --port {self.port}"],
            cwd=self.folder,
            env=self._environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        self.servers.append(server)
        assert server.stderr is not None
        printed = []
        for line in server.stderr:
            printed.append(line)
            if "curl" in line:
                break
        return self._shown("".join(printed))

    def stop(self) -> None:
        """End the servers that were started."""
        for server in self.servers:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=30)

    def _local(self, command: str) -> str:
        return command.replace(f":{_PORT}/", f":{self.port}/")

    def _shown(self, text: str) -> str:
        return text.replace(f":{self.port}/", f":{_PORT}/")

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLSHIP_", "COLUMNS"))}
        return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Return a shell in a folder with the penguins' files."""
    folder = tmp_path_factory.mktemp("readme")
    for file in ("model.pkl", "input.csv"):
        shutil.copy(ROOT / "sample_models" / "penguins" / file, folder / file)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shell = Shell(folder, port)
    yield shell
    shell.stop()


@pytest.mark.parametrize("block", blocks("console"), ids=lambda block: steps(block)[0][0][:30])
def test_commands_print_what_is_shown(shell: Shell, block: str) -> None:
    """Every command of the README prints what stands under it, with `...` for what differs from run to run."""
    for command, shown in steps(block):
        printed = shell.start(command.removesuffix(" &")) if command.endswith(" &") else shell.run(command)

        assert doctest.OutputChecker().check_output(shown, printed, _SAME), f"{command}\n{printed}"


def test_the_checker_tells_a_wrong_output() -> None:
    """The comparison that the README is held to does see a different output."""
    assert not doctest.OutputChecker().check_output("344 rows in, 344 out\n", "344 rows in, 343 out\n", _SAME)


@pytest.mark.parametrize("command", [line for block in blocks("sh") for line in block.splitlines()])
def test_commands_of_the_clone_are_run_by_ci(command: str) -> None:
    """What a fresh clone is told to run is what continuous integration runs."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert re.search(rf"^{re.escape(command)}\b", script, re.MULTILINE)


@pytest.mark.parametrize("command", ["export", "batch", "serve"])
def test_every_option_is_in_the_readme(command: str) -> None:
    """Each option that a command's help names stands in the README, and no other."""
    text = subprocess.run(
        [sys.executable, "-m", "mlship", command, "--help"],
        env={**os.environ, "COLUMNS": "160"},  # else long names are cut
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout
    common = {"--help", "--quiet", "--verbose", "--json"}
    offered = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - common
    section = README.split(f"\n## {command.capitalize()}\n")[1].split("\n## ")[0]
    table = "".join(line for line in section.splitlines(keepends=True) if line.startswith("| `-"))
    documented = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", table))

    assert documented == offered
