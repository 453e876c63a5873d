"""`auditor run` with a fault planted: the program that a harness must catch. Arguments: fault, configuration."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import crash_faults

from auditor.assembly import Parts, assemble
from auditor.cli import main
from auditor.configfile import Loaded
from auditor.store.database import Store, open_store


def plant(fault: str, database: Path) -> None:
    """Let the command work with faulty parts."""

    def assembled(loaded: Loaded) -> Parts:
        parts = assemble(loaded)
        return replace(parts, sinks=dict(crash_faults.sinks(fault, parts.sinks, database)))

    def opened(url: str) -> Store:
        return crash_faults.store(fault, open_store(url))

    vars(importlib.import_module("auditor.cli.run")).update(assemble=assembled, open_store=opened)


if __name__ == "__main__":
    plant(sys.argv[1], Path(sys.argv[2]).with_name("auditor.db"))
    main(["run", "-c", sys.argv[2]])
