"""Runs with faults: what is run, what is to come of it, and the judgement of what did."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SHIM = Path(__file__).with_name("shim.c")
COUNT, FAIL, FULL, SHORT, TORN, KILL_BEFORE, KILL_AFTER, FLIP = range(1, 9)
"""What the shim does at the n-th call, as in its source."""

NAMES = {
    FAIL: "EIO",
    FULL: "disk full",
    SHORT: "half written",
    TORN: "torn",
    KILL_BEFORE: "killed before",
    KILL_AFTER: "killed after",
}
WRITES = ("write", "pwrite", "writev")
PATIENCE = 120.0


@dataclass(frozen=True)
class Call:
    """A call that changed the watched folder.

    Attributes:
        number: Its place among them, from 1.
        function: Its name.
        path: What it changed, from the folder on.
    """

    number: int
    function: str
    path: str


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        code: Exit code, or a signal as a negative number.
        said: What it wrote to standard error, in one line.
        calls: The calls that changed the folder; without a fault armed there are none.
    """

    code: int
    said: str
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Fault:
    """What is to happen.

    Attributes:
        mode: Of those above.
        at: At which call, from 1.
        flip: With FLIP the file of which a bit turns over, and which bit.
    """

    mode: int
    at: int
    flip: tuple[Path, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        told: dict[str, Any] = {"mode": self.mode, "at": self.at}
        return told if self.flip is None else {**told, "flip": str(self.flip[0]), "bit": self.flip[1]}


class Runner:
    """Runs `mlship batch` in children of one warm process.

    Args:
        folder: For the shim and for what runs print; outside of every folder that is watched.
        compiler: The C compiler.
    """

    def __init__(self, folder: Path, compiler: str) -> None:
        self._folder = folder
        shim = folder / "shim.so"
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(shim), str(SHIM), "-lpthread"], check=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MLSHIP_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.warm"],
            cwd=ROOT,
            env={**environment, "LD_PRELOAD": str(shim), "PYTHONPATH": str(ROOT), "COLUMNS": "500"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, folder: Path, arguments: Sequence[str], fault: Fault | None = None, **more: Any) -> Ended:
        """Run `mlship batch` in a folder; see `tests.faults.warm` for what more may be told."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        places = {name: str(self._folder / name) for name in ("stdout", "stderr", "trace")}
        order = {
            "folder": str(folder),
            "arguments": ["batch", *arguments],
            "fault": None if fault is None else fault.to_json(),
            **places,
            **more,
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        said = " ".join(Path(places["stderr"]).read_text(encoding="utf-8").split())
        calls = () if fault is None else _calls(Path(places["trace"]), folder)
        return Ended(answer["code"], said, calls)

    def close(self) -> None:
        """End the warm process."""
        self._process.communicate(timeout=PATIENCE)


def _calls(trace: Path, folder: Path) -> tuple[Call, ...]:
    found = []
    for line in trace.read_text(encoding="utf-8").splitlines():
        number, function, path = line.split(" ", 2)
        found.append(Call(int(number), function, os.path.relpath(path, folder)))
    return tuple(found)


@dataclass(frozen=True)
class Scenario:
    """A job.

    Attributes:
        name: For messages.
        commands: The command lines that do it, one after the other.
        output: Name of the output, without a slash.
        before: Whether an older output of ours is there.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    output: str
    before: bool = False


@dataclass
class Field:
    """A scenario in a folder, with what is to come of it.

    Attributes:
        runner: Runs it.
        scenario: What.
        template: The folder as it is before.
        expected: The folder after an undisturbed run, by path; work folders only by the names in them.
        whole: What may stand under a final name: for each file of the output the bytes it may have.
        calls: For each command the calls of an undisturbed run.
    """

    runner: Runner
    scenario: Scenario
    template: Path
    expected: dict[str, bytes] = field(default_factory=dict)
    whole: dict[str, set[bytes]] = field(default_factory=dict)
    calls: list[tuple[Call, ...]] = field(default_factory=list)

    def prepare(self) -> None:
        """Do the job undisturbed."""
        older = self.finals(self.template)
        folder = self.fresh()
        for command in self.scenario.commands:
            ended = self.runner.run(folder, command, Fault(COUNT, 0))
            assert ended.code == 0, ended
            self.calls.append(ended.calls)
        self.expected = picture(folder)
        finals = self.finals(folder)
        self.whole = {name: {found[name] for found in (older, finals) if name in found} for name in {*older, *finals}}

    def fresh(self) -> Path:
        """A copy of the template, always in the same place."""
        folder = self.folder
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.template, folder)
        return folder

    def finals(self, folder: Path) -> dict[str, bytes]:
        """What stands under final names: the output, its parts, its rejects."""
        return {name: data for name, data in picture(folder).items() if name.startswith("scored")}

    @property
    def folder(self) -> Path:
        """Where the job is done."""
        return self.template.with_name("run")

    def limited(self, limits: dict[str, int], **more: Any) -> Ended:
        """Begin the job under limits of the system; what then stands there must be whole."""
        return self.disturbed(None, limits=limits, **more)

    def disturbed(self, fault: Fault | None, command: int = 0, **more: Any) -> Ended:
        """Do the job up to a command that meets a fault; what then stands there must be whole."""
        folder = self.fresh()
        for done in self.scenario.commands[:command]:
            assert self.runner.run(folder, done).code == 0
        ended = self.runner.run(folder, self.scenario.commands[command], fault, **more)
        for name, data in self.finals(folder).items():
            if "_shard-" in name:  # a note, which tells times
                json.loads((folder / name).read_bytes())
                continue
            assert name in self.whole, f"{name} is there after {ended}"
            assert data in self.whole[name], f"{name} is partial after {ended}"
        return ended

    def is_done(self) -> bool:
        """Whether all that is published stands there, whatever else may be left."""
        found = picture(self.folder)
        return all(found.get(name) == data for name, data in self.expected.items() if name.startswith("scored"))

    def finished(self, command: int = 0) -> str:
        """Do the rest of the job in the folder as it is, and return what was said; all must be as if undisturbed."""
        folder = self.folder
        said = []
        for rest in self.scenario.commands[command:]:
            ended = self.runner.run(folder, rest)
            assert ended.code == 0, ended
            said.append(ended.said)
        found = picture(folder)
        assert sorted(found) == sorted(self.expected)
        different = [name for name, data in found.items() if data != self.expected[name]]
        assert different == []
        return " ".join(said)


def picture(folder: Path) -> dict[str, bytes]:
    """Every file below a folder; of work folders and notes only that they are there, as they tell times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            found[f"{name}/"] = b""
        else:
            found[name] = b"" if ".mlship" in name or "_shard-" in name else path.read_bytes()
    return found
