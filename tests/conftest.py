"""What every lane of tests shares: reproducible properties, and the rule that a build server accepts no skip."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# No test asserts a time, so a slow machine must not fail a property; a failure prints what reproduces it.
settings.register_profile("everywhere", deadline=None, print_blob=True)
settings.load_profile("everywhere")

NO_SKIPS = os.environ.get("MODELWRIGHT_NO_SKIPS") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Under MODELWRIGHT_NO_SKIPS=1 a skipped or expected failure fails by name, unless the test needs a GPU."""
    report: pytest.TestReport = yield
    if NO_SKIPS and report.skipped and item.get_closest_marker("gpu") is None:
        _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    """Likewise for a module that skips itself while it is collected."""
    report: pytest.CollectReport = yield
    if NO_SKIPS and report.skipped:
        _refuse(report)
    return report


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid}: skipped, and only tests marked gpu may be: {reason}"
