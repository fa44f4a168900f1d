"""What failed beside other tests runs once more, alone: was it the test, or who else was there?"""

import subprocess
import sys

import pytest

MOST = 5  # more than that are not to be blamed on a machine that was busy


class Alone:
    """Of the process that xdist's workers report to."""

    def __init__(self) -> None:
        self.failed: dict[str, None] = {}
        self.passed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            grouped = "xdist_group" in report.keywords  # its name ends with the group's
            name = report.nodeid.rpartition("@")[0] if grouped else report.nodeid
            self.failed[name] = None

    @pytest.hookimpl(trylast=True)  # the workers are gone by then
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == pytest.ExitCode.TESTS_FAILED and 0 < len(self.failed) <= MOST:
            command = [sys.executable, "-m", "pytest", *self.failed]
            self.passed = subprocess.run(command, check=False).returncode == 0
            if self.passed:
                session.exitstatus = pytest.ExitCode.OK

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.passed:
            terminalreporter.section("failed beside other tests, passed alone")
            for name in self.failed:
                terminalreporter.write_line(name)
