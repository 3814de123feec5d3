"""For every test: with CI set, a skipped test is a failed run; and buckets of an S3 server on loopback."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

# Each of several workers may train with as many threads as there are processors, which then wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything that a test module imports looks at it


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what decides how much is run."""
    parser.addoption("--whole", action="store_true", help="run each campaign whole, which takes much longer")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what belongs to whole campaigns only."""
    if config.getoption("--whole"):
        return
    left = [item for item in items if item.get_closest_marker("whole") is not None]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item.get_closest_marker("whole") is None]


@pytest.fixture(scope="session")
def whole(request: pytest.FixtureRequest) -> bool:
    """Whether campaigns are run whole, as `make test-all` does, and not a sample of each, as `make test` does."""
    return bool(request.config.getoption("--whole"))


def _skipped(config: pytest.Config) -> list[str]:
    """List the tests and modules that were skipped, each with its reason."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    # The worker processes of pytest-xdist have no reporter: the process that started them counts for all.
    reports = reporter.stats.get("skipped", []) if reporter is not None else []
    return [f"{report.nodeid}: {_reason(report)}" for report in reports]


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    place = report.longrepr
    return str(place[2]) if isinstance(place, tuple) else str(place)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when CI skipped something: what is not run there is run nowhere."""
    if os.environ.get("CI") and session.exitstatus == pytest.ExitCode.OK and _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which skipped tests made the run fail."""
    skipped = _skipped(config)
    if os.environ.get("CI") and skipped:
        terminalreporter.section("skipped, which CI does not allow", red=True)
        for line in skipped:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an S3 server of this run."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else every request is told with each failure
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URI of an empty bucket of that server, which the environment leads to."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET-of-nobody")
    name = f"bucket-{uuid.uuid4().hex}"
    connection = HTTPConnection(s3.removeprefix("http://"), timeout=10)
    connection.request("PUT", f"/{name}")
    assert connection.getresponse().status == 200
    connection.close()
    return f"s3://{name}"
