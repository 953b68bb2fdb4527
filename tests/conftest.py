"""What all tests share.

A user's machine may lack a shell, a terminal or the network: a test may then be skipped,
with a reason. Where `CI` is set everything must be there, and a skip is a failure.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from postgres import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of a process."""
    with _postgres() as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that a test may stop and kill."""
    with _postgres() as server:
        yield server


@contextmanager
def _postgres() -> Iterator[Postgres]:
    from postgres import Postgres, find

    programs = find()
    if programs is None:
        pytest.skip("PostgreSQL's programs are not installed")
    server = Postgres(programs)
    try:
        yield server
    finally:
        server.stop()


IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are processors: a third of the time tests wait, for leases,
    timers and other processes."""
    return len(os.sched_getaffinity(0)) * 3 // 2


def pytest_configure() -> None:
    """Whoever starts the tests in the background (`nohup`, `&`) has some signals ignored,
    and so would every process they start; the tests of Ctrl-C send them."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if IN_CI and report.skipped:
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"skipped, which CI does not allow: {reason}"
