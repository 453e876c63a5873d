"""A process that delivers what a store owes to one Slack channel, and is killed while it does: URL, ADDRESS."""

import asyncio
import sys

from slack import by_token

from auditor.alerts.deliver import Deliverer
from auditor.alerts.registry import build
from auditor.store.database import open_store


def main() -> None:
    """Deliver until nothing is due."""
    url, address = sys.argv[1:]
    store = open_store(url)
    sink = build("chat", by_token(address))
    asyncio.run(Deliverer(store, {"chat": sink}, "doomed").deliver_due())


if __name__ == "__main__":
    main()
