"""What a proof measured, told at the end of the run: what a worker of xdist prints is seen by nobody."""

from collections.abc import Callable

Figure = Callable[[str], None]
"""Takes one sentence with figures."""

PROPERTY = "figure"
"""Under which a test's report carries its sentences."""
