"""Workers follow from the CPUs that this process may really use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlship.quota import available_cpus, cgroup_quota, default_workers

V2 = "0::{}\n"
V1 = "4:memory:/elsewhere\n3:cpu,cpuacct:{}\n0::/ignored\n"


def plant(root: Path, membership: str, files: dict[str, str]) -> Path:
    """Write a system's view of control groups below a folder."""
    for name, text in {"proc/self/cgroup": membership, **files}.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        pytest.param(V2.format("/"), {"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5, id="v2"),
        pytest.param(V2.format("/"), {"sys/fs/cgroup/cpu.max": "max 100000\n"}, None, id="v2 without limit"),
        pytest.param(V2.format("/a/b"), {"sys/fs/cgroup/a/b/cpu.max": "50000 100000"}, 0.5, id="v2 own group"),
        pytest.param(
            V2.format("/a/b"),
            {"sys/fs/cgroup/a/b/cpu.max": "400000 100000", "sys/fs/cgroup/a/cpu.max": "200000 100000"},
            2.0,
            id="v2 group above is narrower",
        ),
        pytest.param(
            V2.format("/system.slice/docker-1.scope"),
            {"sys/fs/cgroup/cpu.max": "300000 100000"},
            3.0,
            id="v2 path of the host inside a container",
        ),
        pytest.param(V2.format("/../x"), {"sys/fs/cgroup/x/cpu.max": "100000 100000"}, 1.0, id="v2 path with .."),
        pytest.param(
            V2.format("/"), {"sys/fs/cgroup/unified/cpu.max": "100000 50000"}, 2.0, id="v2 beside v1 (hybrid)"
        ),
        pytest.param(
            V1.format("/job"),
            {
                "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
            },
            2.5,
            id="v1",
        ),
        pytest.param(
            V1.format("/"),
            {
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            None,
            id="v1 without limit",
        ),
        pytest.param(V2.format("/"), {"sys/fs/cgroup/cpu.max": "garbage\n"}, None, id="unreadable"),
        pytest.param(V2.format("/"), {"sys/fs/cgroup/cpu.max": "0 0\n"}, None, id="zeros"),
        pytest.param("nonsense\n", {}, None, id="no groups"),
    ],
)
def test_quota_of_the_control_group(
    tmp_path: Path, membership: str, files: dict[str, str], expected: float | None
) -> None:
    """The smallest quota on the way up from the process's own group counts, in both versions."""
    assert cgroup_quota(plant(tmp_path, membership, files)) == expected


def test_no_control_groups_at_all(tmp_path: Path) -> None:
    """Where there is no /proc, as on macOS, nothing limits."""
    assert cgroup_quota(tmp_path) is None
    assert available_cpus(tmp_path) >= 1.0


def test_quota_bounds_the_cpus(tmp_path: Path) -> None:
    """A quota below the CPUs that the scheduler allows is what counts; one above changes nothing."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    small = plant(tmp_path / "small", V2.format("/"), {"sys/fs/cgroup/cpu.max": "25000 100000"})
    large = plant(tmp_path / "large", V2.format("/"), {"sys/fs/cgroup/cpu.max": "99900000 100000"})
    assert available_cpus(small) == 0.25
    assert available_cpus(large) == allowed


@pytest.mark.parametrize(("cpus", "workers"), [(0.25, 1), (1.0, 1), (1.9, 1), (2.0, 2), (7.5, 7), (64.0, 64)])
def test_workers_follow_the_cpus(cpus: float, workers: int) -> None:
    """There is one worker for each whole CPU, and at least one."""
    assert default_workers(cpus) == workers
