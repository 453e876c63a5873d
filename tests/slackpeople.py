"""Fixtures: people who press buttons in a fake Slack, and somebody who listens to them."""

from collections.abc import Iterator

import pytest
from buttons import Heard, config_of, listening, settings, workspace
from slack import Server

from auditor.simulator.slack_interactive import Interactive
from auditor.store.database import Store


@pytest.fixture
def people(server: Server) -> Iterator[Interactive]:
    """A fresh workspace whose buttons work."""
    people = workspace(server)
    yield people
    people.close()


@pytest.fixture
def heard(server: Server, people: Interactive, store: Store) -> Iterator[Heard]:
    """Somebody who listens to the only decider that there is."""
    with listening(store, config_of(settings(server.address))) as heard:
        people.newest()
        yield heard
