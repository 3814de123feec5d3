"""What an array job of AWS Batch does: it starts children with their environment, and tries again those that it should.

Places are folders on a disk or in a store; both are written and read here by the same functions.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlship import objects

ROOT = Path(__file__).resolve().parents[3]
AGAIN = (6, 7, 130, 137, 143)
"""Exit codes after which a job definition has children tried again; a child killed by SIGKILL is told as 137."""

_OPTIONS = ("--keep", "none", "--row-numbers", "--chunk-size", "300", "--max-rejects", "50%", "--workers", "2")


def rows(start: int, count: int) -> str:
    """Rows for the town model, of which some are rejected."""
    lines = [f"{'old' if row % 17 == 5 else row},{row * 3},Porto\n" for row in range(start, start + count)]
    return "my age,income,city\n" + "".join(lines)


def put(place: str, data: str) -> None:
    """Write a file or an object."""
    if objects.is_uri(place):
        objects.put(objects.parse(place), data.encode())
    else:
        Path(place).parent.mkdir(exist_ok=True)
        Path(place).write_text(data)


def names(place: str) -> list[str]:
    """The names of what lies below a folder that ends in a slash, sorted; none when it is not there."""
    if objects.is_uri(place):
        return sorted(found.uri.removeprefix(place) for found in objects.list_objects(objects.parse(place)))
    return sorted(path.name for path in Path(place).glob("*"))


def content(place: str) -> bytes:
    """The bytes of a file or an object."""
    return objects.get(objects.parse(place))[0] if objects.is_uri(place) else Path(place).read_bytes()


def published(place: str) -> list[bytes] | None:
    """The parts of an output in the order of their rows, or None when readers are to see none."""
    if not objects.is_uri(place):
        found = names(place)
        return [content(place + name) for name in found if name.startswith("part-")] if "_SUCCESS" in found else None
    while (there := objects.get_if_there(objects.parse(f"{place}_manifest.json"))) is not None:
        parts = [objects.get_if_there(objects.parse(place + one["name"])) for one in json.loads(there[0])["parts"]]
        found_all = [part[0] for part in parts if part is not None]
        if len(found_all) == len(parts):
            return found_all
        assert content(f"{place}_manifest.json") != there[0], "the manifest names a part that is not there"
    return None


def rejects(place: str) -> list[str]:
    """The lines of all files of rejects of an output, sorted."""
    if objects.is_uri(place):
        listed = json.loads(content(f"{place}_manifest.json"))["rejects"]
        texts = [content(place + one["name"]).decode() for one in listed]
    else:
        folder = Path(place)
        texts = [path.read_text() for path in folder.parent.glob(f"{folder.name}*.rejects.ndjson")]
    return sorted(line for text in texts for line in text.splitlines())


@dataclass
class Array:
    """One array job.

    Attributes:
        folder: The current folder of its children, with the model in it.
        given: The folder of inputs.
        output: The output.
        size: How many children there are.
        parent: Its id.
        seen: How children ended.
    """

    folder: Path
    given: str
    output: str
    size: int = 7
    parent: str = "job-1"
    seen: list[tuple[int, int]] = field(default_factory=list)

    def start(self, index: int, attempt: int = 1, disturbed: tuple[Any, ...] = (0, "before", 0)) -> Any:
        """Start a child in a process of its own."""
        program = ROOT / "tests/batch/shards/child.py"
        options = (self.given, "-o", self.output, "--shard", "auto", *_OPTIONS)
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "AWS_BATCH_JOB_ID": f"{self.parent}:{index}",
            "AWS_BATCH_JOB_ARRAY_INDEX": str(index),
            "AWS_BATCH_JOB_ARRAY_SIZE": str(self.size),
            "AWS_BATCH_JOB_ATTEMPT": str(attempt),
        }
        command = [sys.executable, str(program), *map(str, disturbed), *options]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=environment, text=True, stdout=pipe, stderr=pipe)

    def run(self, chance: random.Random, meanwhile: Callable[[], None], kills: int) -> None:
        """Run all children, two at a time, and try again those that ended so.

        Args:
            chance: Draws who is killed, when and how.
            meanwhile: Called whenever a child ended.
            kills: How many children are killed or stopped; the first of them is killed at a step that it surely takes.
        """
        waiting = deque((index, 1) for index in range(self.size))
        running: list[tuple[int, int, Any]] = []
        try:
            self._run(waiting, running, chance, meanwhile, kills)
        finally:
            for _, _, process in running:
                process.kill()
                process.communicate()

    def _run(
        self,
        waiting: deque[tuple[int, int]],
        running: list[tuple[int, int, Any]],
        chance: random.Random,
        meanwhile: Callable[[], None],
        kills: int,
    ) -> None:
        while waiting or running:
            while waiting and len(running) < 2:
                index, attempt = waiting.popleft()
                disturbed: tuple[Any, ...] = (0, "before", 0)
                if kills and not self.seen and not running:
                    kills -= 1
                    disturbed = (chance.randint(2, 5), chance.choice(["before", "after"]), int(signal.SIGKILL))
                elif kills and chance.random() < 0.8:
                    kills -= 1
                    signum = chance.choice([signal.SIGKILL, signal.SIGTERM])
                    disturbed = (chance.randint(1, 5 * self.size), chance.choice(["before", "after"]), int(signum))
                running.append((index, attempt, self.start(index, attempt, disturbed)))
            ended = [child for child in running if child[2].poll() is not None]
            for child in ended:
                running.remove(child)
                index, attempt, process = child
                _, said = process.communicate()
                assert process.returncode != -signal.SIGTERM, "it was ended by SIGTERM, where it should end by itself"
                code = 137 if process.returncode == -signal.SIGKILL else process.returncode
                self.seen.append((index, code))
                assert code == 0 or code in AGAIN, said
                assert attempt < 12, said
                if code:
                    waiting.append((index, attempt + 1))
                meanwhile()
            time.sleep(0.01)


def undisturbed(array: Array, output: str) -> tuple[list[bytes], list[str]]:
    """What a run without shards makes of the inputs that are there now: its parts and its rejects."""
    command = [sys.executable, "-m", "mlship", "batch", array.given, "-o", output, *_OPTIONS]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=array.folder, env=environment, check=True, capture_output=True)
    parts = published(output)
    assert parts is not None
    told = rejects(output)
    if not objects.is_uri(output):
        shutil.rmtree(output)
        Path(output.rstrip("/") + ".rejects.ndjson").unlink()
    return parts, told
