"""What must hold of every delivery, whatever happened: seen from the sinks and from the store."""

from collections import Counter
from collections.abc import Mapping, Sequence

from delivery_outside import Arrived
from delivery_world import World

from auditor.store.outbox import DIGEST, Entry, Progress

ANNOUNCED = "notice/dead-letter/"
ABOUT_SINKS = (ANNOUNCED, "notice/undelivered/")


def so_far(world: World) -> None:
    """At any time: what counts as delivered arrived, in order, under one name; what was given up was announced."""
    rows = world.rows()
    world.held |= {place for place, row in rows.items() if row.state is Progress.SUPPRESSED}
    for sink, arrived in world.outside.arrived.items():
        names = {name for each in arrived for name in each.names} | {each.key for each in arrived}
        for name in (name for (where, name), row in rows.items() if where == sink and row.state is Progress.DELIVERED):
            within = (rows[sink, name].receipt or {}).get(DIGEST)
            told = within if within and name.startswith("notice/") else name
            assert told in names, f"{name} is marked as delivered, and never arrived"
        revived = {name for where, name in world.revived if where == sink}
        _in_order([each for each in arrived if not revived & set(each.names)])
        apart = world.outside.apart | world.revived
        _under_one_key(arrived, {name for where, name in apart if where == sink})
    announced = {row.message.id.removeprefix(ANNOUNCED).partition("/")[0] for row in rows.values()}
    for (sink, name), row in rows.items():
        if row.state is Progress.DEAD and not name.startswith(ABOUT_SINKS):
            assert sink in announced, "given up, and nobody was told"


def at_the_end(world: World) -> Counter[str]:
    """Nothing is owed or forgotten, and each sink knows what is so; how the messages ended."""
    rows = world.rows()
    for place, row in rows.items():
        assert row.state is Progress.DELIVERED or row.error, f"{place} is {row.state} without a reason"
        assert row.state is not Progress.SUPPRESSED or place in world.held
    for name, changes in world.changes.items():
        for sink in world.outside.arrived:
            _knows(world, rows, sink, name, len(changes))
    arrivals = [name for some in world.outside.arrived.values() for each in some for name in each.names]
    return Counter(row.state.value for row in rows.values()) + Counter(arrived=len(arrivals))


def _knows(world: World, rows: Mapping[tuple[str, str], Entry], sink: str, finding: str, changes: int) -> None:
    """The sink knows the last state of the finding; or it is told in a dead letter that it may not; or knew of none."""
    if any(rows[sink, f"{finding}-{number}"].state is Progress.DEAD for number in range(changes)):
        return
    told = {name for each in world.outside.arrived[sink] for name in each.names}
    newest = max((number for number in range(changes) if f"{finding}-{number}" in told), default=-1)
    opened = changes % 2 == 1
    if opened or newest >= 0:
        assert (newest % 2 == 0) is opened, f"{sink} was told {newest} of {finding}, which changed {changes} times"


def _in_order(arrived: Sequence[Arrived]) -> None:
    """Of each finding no message is older than what came before it, unless a process had stood still."""
    newest: dict[str, int] = {}
    for each in arrived:
        numbers: dict[str, list[int]] = {}
        for finding, _, number in (name.rpartition("-") for name in each.names if not name.startswith("notice/")):
            numbers.setdefault(finding, []).append(int(number))
        for finding, mine in numbers.items():
            assert mine == sorted(mine), f"{finding} in no order: {mine}"
            assert each.late or newest.get(finding, -1) <= mine[-1], f"{finding}: {mine} came after {newest[finding]}"
            newest[finding] = max(newest.get(finding, -1), mine[-1])


def _under_one_key(arrived: Sequence[Arrived], excused: set[str]) -> None:
    """What comes again comes under its key; but for what was refused with others, or told again by hand."""
    keys: dict[str, str] = {}
    for each in arrived:
        for name in each.names:
            assert keys.setdefault(name, each.key) == each.key or name in excused, f"{name} came under two keys"
