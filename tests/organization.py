"""A simulated organization on a loopback port, for tests that need an Admin API to talk to."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from anyio.from_thread import start_blocking_portal
from starlette.applications import Starlette

from auditor.simulator.ledger import Ledger
from auditor.simulator.organization import Organization, Size, generate
from auditor.simulator.server import ROOT, create_app
from auditor.web.server import serve

NOW = 1_767_225_600
"""2026-01-01T00:00:00Z."""
KEY = "sk-admin-key_1"


def small(seed: int = 7, now: int = NOW) -> Organization:
    """A small organization as it stands at `now`."""
    return generate(seed, Size.SMALL, now)


@contextmanager
def served(
    organization: Organization, *, keys: Collection[str] | None = None, refuse: Collection[str] = ()
) -> Iterator[tuple[str, Starlette]]:
    """Serve `organization` from a thread of its own, so that sync and async tests can ask it.

    Gives the base URL, `/v1` included, and the application: `app.state.ledger` holds what was asked.
    """
    app = create_app(organization, keys=keys, refuse=refuse)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve(app, "127.0.0.1", 0)) as address:
        yield address + ROOT, app


def ledger_of(app: Starlette) -> Ledger:
    """Every exchange of `app`."""
    ledger = app.state.ledger
    assert isinstance(ledger, Ledger)
    return ledger
