"""Points in time on a command line: `7d` ago, a day, or a moment."""

from datetime import UTC, datetime

import click

from auditor import clock

METAVAR = "7d|DATE"
DAY = 86_400


def moment(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """The value of an option as Unix seconds.

    `7d` and `36h` count back from now; `2026-11-24` and `2026-11-24T08:00:00Z` are UTC. Raises BadParameter.
    """
    if value is None:
        return None
    try:
        return clock.epoch(clock.now()) - clock.duration(value)
    except ValueError:
        pass
    try:
        read = datetime.fromisoformat(value)
        return clock.epoch(read if read.tzinfo else read.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        words = f"{value!r} is no time: write 7d, 36h, 2026-11-24 or 2026-11-24T08:00:00Z"
        raise click.BadParameter(words) from None


def last(until: int) -> str:
    """`2026-11-26`, the last day of what ends when that is over; another end as the moment that it is."""
    return iso(until) if until % DAY else clock.last_day(until)


def iso(seconds: int) -> str:
    """`2026-11-24T08:00:00Z`; a time that no calendar has is shown as its number."""
    try:
        return clock.from_epoch(seconds).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return str(seconds)
