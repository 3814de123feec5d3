"""The bundle for systemd: its script is run as root in a box, and the lines of its units as an unprivileged user."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mlship.files import file_digest
from tests.targets.box import USER, Box, missing
from tests.targets.conftest import INPUT, Bundle, Image
from tests.targets.units import command, environment, read_unit

HOME = "/opt/mlship/penguins"
SERVE, BATCH, TIMER = "mlship-serve-penguins.service", "mlship-batch-penguins.service", "mlship-batch-penguins.timer"


@dataclass(frozen=True)
class Machine:
    """A machine that the bundle is installed on.

    Attributes:
        box: Its files as root sees them.
        folder: Where those are that root changed.
    """

    box: Box
    folder: Path

    def install(self) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        return self.box.run(["/srv/bundle/install.sh"], timeout=240)

    def unit(self, name: str) -> dict[str, str]:
        """Return a unit as it is installed."""
        return read_unit(self.folder / "units" / name)

    def service(self, scratch: Path) -> Box:
        """Return what the services see of it: nothing can be written but the state, and they are nobody."""
        binds = {path.removesuffix(":rw"): source for path, source in self.box.binds.items()}
        shared = {
            "/run/credentials": self.folder / "credentials",
            "/var/lib/mlship/penguins:rw": self.folder / "state",
        }
        return replace(self.box, scratch=scratch, binds={**binds, **shared}, user=USER, sealed=True)


def _machine(folder: Path, bundle: Path, opt: Path) -> Machine:
    for name in ("units", "etc", "credentials", "state"):
        (folder / name).mkdir()
    shutil.chown(folder / "state", USER, USER)
    binds = {
        "/srv/bundle": bundle,
        "/opt/mlship:rw": opt,
        "/etc/systemd/system:rw": folder / "units",
        "/etc/mlship:rw": folder / "etc",
    }
    env = {"PATH": "/opt/python:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
    return Machine(Box(folder / "root", binds, env, user=0, sealed=False), folder)


@pytest.fixture(scope="module")
def machine(image: Image, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine on which the bundle was installed, with the libraries of the image, whose lock is the same."""
    folder, opt = tmp_path_factory.mktemp("machine"), tmp_path_factory.mktemp("opt") / "mlship"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    venv = opt / "penguins" / f"venv-{file_digest(bundle('systemd') / 'mlship.lock')[:12]}-{version}"
    for place in (opt, venv):  # links; scripts of the second begin with the interpreter of the first
        shutil.copytree(image.libraries, place, symlinks=True, copy_function=os.link)
    (venv / "complete").touch()
    made = _machine(folder, bundle("systemd"), opt)
    done = made.install()
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.fixture
def service(machine: Machine, tmp_path: Path) -> Box:
    """What a service of that machine sees."""
    return machine.service(tmp_path / "root")


def test_the_script_can_be_run_again(machine: Machine) -> None:
    """The script leaves a token for root alone, the units and the model; run again, it keeps the token."""
    tokens = machine.folder / "etc" / "penguins.tokens"
    before = tokens.read_text()

    again = machine.install()

    assert again.returncode == 0, again.stderr
    assert "64 golden rows of penguins" in again.stdout
    assert before.startswith("first:")
    assert tokens.read_text() == before
    assert tokens.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in (machine.folder / "units").iterdir()) == sorted([SERVE, BATCH, TIMER])


def test_a_model_whose_rows_differ_is_not_installed(machine: Machine, bundle: Bundle, tmp_path: Path) -> None:
    """The script replays the golden rows first: a harmed model leaves what is installed as it was."""
    shutil.copytree(bundle("systemd"), tmp_path / "harmed")
    model = tmp_path / "harmed" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"\0")
    installed = machine.box.binds["/opt/mlship:rw"] / "penguins" / "model.onnx"
    before = installed.read_bytes()

    done = machine.box.with_(binds={"/srv/bundle": tmp_path / "harmed"}).run(["/srv/bundle/install.sh"])

    assert done.returncode == 4, done.stdout + done.stderr
    assert installed.read_bytes() == before


def test_systemd_takes_the_units(machine: Machine) -> None:
    """Nothing is wrong with the units to systemd, and nothing is missing that they run."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze: apt-get install systemd")
    units = [f"/etc/systemd/system/{name}" for name in (SERVE, BATCH, TIMER)]

    done = machine.box.run(["systemd-analyze", "verify", "--man=no", *units])

    assert done.returncode == 0, done.stderr
    assert "mlship" not in done.stderr


def test_the_service_serves(machine: Machine, service: Box) -> None:
    """ExecStart serves with the token of LoadCredential, ExecStartPost sees it ready, and the signal ends it."""
    unit = machine.unit(SERVE)
    name, source = unit["LoadCredential"].split(":")
    handed = machine.folder / "credentials" / name
    shutil.copy(machine.folder / "etc" / Path(source).name, handed)
    handed.chmod(0o400)
    shutil.chown(handed, USER, USER)  # as systemd leaves it
    token = handed.read_text().strip().partition(":")[2]
    env = {**environment(unit), "CREDENTIALS_DIRECTORY": "/run/credentials"}

    running = service.with_(env=env).start(command(unit["ExecStart"], env))
    try:
        pid = {**env, "MAINPID": str(running.process.pid)}
        ready = running.run(command(unit["ExecStartPost"], pid))
        assert ready.returncode == 0, ready.stderr + running.log.read_text()
        smoke = [f"{HOME}/venv/bin/python", "-m", "mlship.targets.smoke", f"{HOME}/model.onnx", "http://127.0.0.1:8000"]
        done = running.run(smoke, env={"MLSHIP_TOKEN": token})
        assert done.returncode == 0, done.stderr
        code, seconds = running.stop(signal.Signals[unit["KillSignal"]])
    finally:
        running.end()

    assert code == 0, running.log.read_text()
    assert seconds < int(unit["TimeoutStopSec"])


def test_waiting_for_a_server_that_ended_ends(machine: Machine, service: Box) -> None:
    """ExecStartPost does not wait for a process that is gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    unit = machine.unit(SERVE)

    done = service.run(command(unit["ExecStartPost"], {**environment(unit), "MAINPID": str(ended.pid)}), timeout=30)

    assert done.returncode == 6
    assert "the server ended" in done.stderr


def test_the_timer_scores_what_is_new(machine: Machine, service: Box) -> None:
    """The oneshot service scores the files of its state folder, and has nothing to do the next time."""
    unit = machine.unit(BATCH)
    assert unit["WorkingDirectory"] == f"/var/lib/{unit['StateDirectory']}"
    shutil.copy(INPUT, machine.folder / "state" / "monday.csv")
    env = environment(unit)
    batch = replace(service.with_(env=env), folder=unit["WorkingDirectory"])

    first, second = (batch.run(command(unit["ExecStart"], env)) for _ in range(2))

    assert first.returncode == 0, first.stderr
    assert "344 rows in, 344 out" in first.stderr
    assert "is unchanged" in second.stderr
    assert (machine.folder / "state" / "monday.scored.csv").is_file()


def test_what_is_uninstalled_is_gone(machine: Machine, tmp_path: Path) -> None:
    """The script takes the services and the model away, and with --purge the tokens."""
    folder, opt = tmp_path / "machine", tmp_path / "opt"
    shutil.copytree(machine.folder, folder, ignore=shutil.ignore_patterns("root*"))
    (opt / "penguins" / "venv").mkdir(parents=True)
    binds = {"/opt/mlship:rw": opt, "/etc/systemd/system:rw": folder / "units", "/etc/mlship:rw": folder / "etc"}
    box = replace(machine.box, scratch=tmp_path / "root", binds={**machine.box.binds, **binds})

    assert box.run(["/srv/bundle/uninstall.sh"]).returncode == 0
    assert not list((folder / "units").iterdir())
    assert not list(opt.iterdir())
    assert (folder / "etc" / "penguins.tokens").is_file()
    assert box.run(["/srv/bundle/uninstall.sh", "--purge"]).returncode == 0
    assert not list((folder / "etc").iterdir())


@pytest.mark.whole
def test_the_script_makes_its_libraries(image: Image, bundle: Bundle, tmp_path: Path) -> None:
    """On a machine with nothing but Python and without a network, the script installs all of it from the wheelhouse."""
    if (why := missing()) is not None:
        pytest.skip(why)
    shutil.copytree(bundle("systemd"), tmp_path / "bundle")
    shutil.copytree(image.wheelhouse, tmp_path / "bundle" / "wheelhouse")
    (tmp_path / "opt").mkdir()
    (tmp_path / "machine").mkdir()

    done = _machine(tmp_path / "machine", tmp_path / "bundle", tmp_path / "opt").install()

    assert done.returncode == 0, done.stdout + done.stderr
    assert "64 golden rows of penguins" in done.stdout
