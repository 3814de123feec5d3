"""A container without an engine: a process that sees a root of its own, read-only, and a network of its own.

Made of the same namespaces that an engine uses, by `unshare` and `pivot_root`. What an image takes from its base is
taken from this machine: /usr and the Python that runs the tests. Linux and root are needed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

USER = 10001
"""Whom the image's process runs as."""
_TOOLS = ("unshare", "pivot_root", "setpriv", "nsenter")
_SETUP = """
set -eu
# Whoever exports a model over a folder renames it: nothing here may follow.
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir -p usr etc var/lib var/tmp run tmp proc dev opt srv build data old
for name in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$name" ]; then
        cp -a "/$name" "$name"
    elif [ -d "/$name" ]; then
        mkdir "$name"
        mount --bind -o ro "/$name" "$name"
    fi
done
mount --bind /usr usr
mount -o remount,bind,ro usr
cp -a /etc/. etc/
mount -t tmpfs -o mode=1777 tmpfs tmp
mount --rbind /proc proc
mount --rbind /dev dev
mkdir -p ".$base" opt/python
mountpoint -q ".$base" || [ "$base" = /usr ] || mount --bind -o ro "$base" ".$base"
ln -s "$python" opt/python/python
ln -s "$python" opt/python/python3
BINDS
pivot_root . old
umount -l old
cd "$folder"
mount -o remount,$mode /
"""
_LOOPBACK_UP = (
    "import fcntl, socket, struct; s = socket.socket(); "
    "fcntl.ioctl(s, 0x8914, struct.pack('16sh14x', b'lo', 0x1 | 0x40))"  # SIOCSIFFLAGS: IFF_UP and IFF_RUNNING
)


def missing() -> str | None:
    """Return what a box needs and this machine lacks, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs Linux and root, to make namespaces"
    absent = [tool for tool in _TOOLS if shutil.which(tool) is None]
    return f"needs {', '.join(absent)}" if absent else None


@dataclass(frozen=True)
class Box:
    """What a container is made of.

    Attributes:
        scratch: An empty folder that the root is mounted on.
        binds: For each path inside, what it shows; a path ending in `:rw` can be written to.
        env: The environment of what runs inside.
        user: Who runs it.
        folder: Where.
        sealed: Whether the root is read-only.
    """

    scratch: Path
    binds: Mapping[str, Path]
    env: Mapping[str, str] = field(default_factory=dict)
    user: int = USER
    folder: str = "/srv"
    sealed: bool = True

    def run(self, command: Sequence[str], *, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command in a new box to its end."""
        return subprocess.run(
            self._command(command), env=self._outer(), capture_output=True, text=True, check=False, timeout=timeout
        )

    def start(self, command: Sequence[str]) -> Running:
        """Start a command in a new box."""
        path = self.scratch.parent / f"{self.scratch.name}.log"
        with path.open("w") as log:
            process = subprocess.Popen(self._command(command), env=self._outer(), stdout=log, stderr=log, text=True)
        root = Path(f"/proc/{process.pid}/root")
        while process.poll() is None and not (root / "opt" / "python").is_dir():  # until the root is its own
            time.sleep(0.01)
        return Running(self, process, path)

    def with_(self, binds: Mapping[str, Path] | None = None, env: Mapping[str, str] | None = None) -> Box:
        """Return this box with more in it."""
        return replace(self, binds={**self.binds, **(binds or {})}, env={**self.env, **(env or {})})

    def inner(self, command: Sequence[str]) -> list[str]:
        """Return the command as it is run inside: without privileges, and with the box's environment alone."""
        env = [f"{name}={value}" for name, value in self.env.items()]
        user = str(self.user)
        drop = ["--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs"]
        drop += [] if self.user == 0 else ["--bounding-set=-all", "--inh-caps=-all"]
        return ["setpriv", *drop, "env", "-i", *env, *command]

    def _command(self, command: Sequence[str]) -> list[str]:
        lines = []
        for inside, source in self.binds.items():
            path, _, mode = inside.partition(":")
            at = shlex.quote(f".{path}")
            lines.append(f"mkdir -p {at}" if source.is_dir() else f"mkdir -p $(dirname {at}) && touch {at}")
            lines.append(f"mount --bind {shlex.quote(str(source))} {at}")
            lines += [] if mode == "rw" else [f"mount -o remount,bind,ro {at}"]
        setup = _SETUP.replace("BINDS", "\n".join(lines))
        up = [sys.executable, "-c", _LOOPBACK_UP]
        script = f"{shlex.join(up)}\n{setup}\nexec {shlex.join(self.inner(command))}"
        return ["unshare", "--mount", "--net", "--uts", "--ipc", "--propagation", "private", "sh", "-c", script]

    def _outer(self) -> dict[str, str]:
        self.scratch.mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "root": str(self.scratch),
            "base": sys.base_prefix,
            "python": str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"),
            "folder": self.folder,
            "mode": "bind,ro" if self.sealed else "bind,rw",
        }


@dataclass
class Running:
    """A command that runs in a box.

    Attributes:
        box: The box.
        process: Its process, which the command has taken the place of.
        log: The file that it writes to.
    """

    box: Box
    process: subprocess.Popen[str]
    log: Path

    def run(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command beside it, in its namespaces, to the end."""
        inner = self.box.with_(env=env).inner(command)
        enter = ["nsenter", "--target", str(self.process.pid), "--mount", "--net", "--root", "--wd", *inner]
        return subprocess.run(enter, capture_output=True, text=True, check=False, timeout=120)

    def until(self, command: Sequence[str], seconds: float = 60) -> None:
        """Run a command beside it again and again until it succeeds."""
        end = time.monotonic() + seconds
        while (done := self.run(command)).returncode != 0:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, done.stderr + self.log.read_text()
            time.sleep(0.2)

    def until_said(self, words: str, seconds: float = 60) -> None:
        """Wait until it has written some words."""
        end = time.monotonic() + seconds
        while words not in (said := self.log.read_text()):
            assert self.process.poll() is None, said
            assert time.monotonic() < end, said
            time.sleep(0.05)

    def stop(self, signum: int) -> tuple[int, float]:
        """Send a signal; return the exit code, and the seconds that it took to end."""
        begun = time.monotonic()
        self.process.send_signal(signum)
        code = self.process.wait(timeout=40)
        return code, time.monotonic() - begun

    def end(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
