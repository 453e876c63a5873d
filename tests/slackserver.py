"""Fixtures: a fake Slack that is served, and a workspace in it."""

from collections.abc import Iterator

import pytest
from slack import Server, serving

from auditor.simulator.slack_workspace import FakeSlack


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One server for all tests of a file."""
    with serving() as served:
        yield served


@pytest.fixture
def slack(server: Server) -> FakeSlack:
    """A workspace of its own for each test."""
    server.slack = FakeSlack()
    return server.slack
