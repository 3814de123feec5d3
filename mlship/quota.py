"""How many CPUs this process may use, and how many workers follow from it.

A container is often given a share of a large machine. `os.cpu_count()` then tells of the machine, so
the quota of the control group is read too: cpu.max of version 2
(https://docs.kernel.org/admin-guide/cgroup-v2.html), cpu.cfs_quota_us of version 1
(https://docs.kernel.org/scheduler/sched-bwc.html).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

_ROOT = Path("/")
_Reader = Callable[[Path], float | None]


def available_cpus(root: Path = _ROOT) -> float:
    """Return how many CPUs this process may use, which need not be a whole number.

    Args:
        root: The folder that holds `proc` and `sys`.
    """
    cpus = float(_allowed_cpus())
    quota = cgroup_quota(root)
    return cpus if quota is None else min(cpus, quota)


def default_workers(cpus: float) -> int:
    """Return the number of worker processes for some CPUs: one for each whole CPU, at least one."""
    return max(1, math.floor(cpus))


def cgroup_quota(root: Path = _ROOT) -> float | None:
    """Return the CPUs that the control group of this process may use, or None when it is not limited.

    A group is also bound by the groups above it, so the smallest quota on the way up counts.

    Args:
        root: The folder that holds `proc` and `sys`.
    """
    mount = root / "sys/fs/cgroup"
    quotas: list[float] = []
    for controllers, path in _memberships(root / "proc/self/cgroup"):
        if controllers == "":
            # version 2 alone is mounted at the top, beside version 1 (hybrid) under `unified`
            for base in (mount, mount / "unified"):
                quotas += _each(base, path, _quota_v2)
        elif "cpu" in controllers.split(","):
            for base in (mount / "cpu", mount / controllers):
                quotas += _each(base, path, _quota_v1)
    return min(quotas, default=None)


def _allowed_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux; macOS has no affinity
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memberships(file: Path) -> list[tuple[str, str]]:
    """The lines `number:controllers:path` of /proc/self/cgroup; version 2 has no controllers."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    parts = [line.split(":", 2) for line in lines]
    return [(part[1], part[2]) for part in parts if len(part) == 3]


def _each(base: Path, path: str, read: _Reader) -> Iterator[float]:
    """The quotas of a group and of all groups above it that can be seen.

    Inside a container the path may be that of the host, of which only the lowest group is mounted, at the
    base itself: folders that are not there are passed over.
    """
    names = [name for name in path.split("/") if name not in ("", ".", "..")]
    for depth in range(len(names), -1, -1):
        quota = read(base.joinpath(*names[:depth]))
        if quota is not None:
            yield quota


def _quota_v2(group: Path) -> float | None:
    return _share(*_words(group / "cpu.max", 2))


def _quota_v1(group: Path) -> float | None:
    return _share(*_words(group / "cpu.cfs_quota_us", 1), *_words(group / "cpu.cfs_period_us", 1))


def _words(file: Path, count: int) -> list[str]:
    try:
        words = file.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return [""] * count
    return words if len(words) == count else [""] * count


def _share(quota: str, period: str) -> float | None:
    """Microseconds of CPU in each period; `max` and -1 mean that there is no limit."""
    if not (quota.isdigit() and period.isdigit()) or int(quota) == 0 or int(period) == 0:
        return None
    return int(quota) / int(period)
