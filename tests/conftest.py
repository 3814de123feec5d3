"""Rules for every test: with CI set, a skipped test is a failed run."""

from __future__ import annotations

import os

import pytest


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
