"""What holds for all tests."""

import signal
from collections.abc import Callable, Iterator

import pytest
import structlog
from figures import PROPERTY, Figure
from hypothesis import settings

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("auditor", deadline=None)
settings.load_profile("auditor")

# A job in the background of a shell ignores Ctrl-C, and so would every command that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """A command that a test runs within this process says how loud its own logs are, and not those of other tests."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Tells a figure at the end of the run."""
    return lambda sentence: record_property(PROPERTY, sentence)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures of all tests."""
    reports = [each for some in terminalreporter.stats.values() for each in some]
    told = [
        str(value)
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == PROPERTY
    ]
    if told:
        terminalreporter.section("figures")
    for sentence in told:
        terminalreporter.write_line(sentence)
