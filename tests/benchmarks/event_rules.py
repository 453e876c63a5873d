"""Rules over audit events: our functions for each type of event beside other engines, decoding left out.

Needs the packages of the dependency group `bench` (`make bench` installs them into an environment of their own).
sigma-rule-matcher needs pySigma 1, and this project runs on pySigma 2: it runs in a process and an environment of its
own, which `make bench` makes, too.
"""

import argparse
from collections.abc import Sequence
from typing import Any

import msgspec
from peers import eventpeers
from peers.auditevents import events, rules
from peers.conditions import leaves
from peers.rules import judges
from peers.sigmamatcher import matcher
from peers.timing import Engine, Matches, compare, table

from auditor.inventory.events import record_of
from auditor.inventory.model import Record
from auditor.policy.program import EventProgram

Event = dict[str, Any]
"""An event as others see it, the payload under one name."""
Engines = list[Engine[int, Any]]
FEW = 300
"""Events of a round for an engine that takes some milliseconds for each."""


def decoded(count: int) -> tuple[list[Event], list[Record]]:
    """The events for others, and the records that our rules are asked of."""
    raws = events(count)
    bodies = [msgspec.json.decode(raw) for raw in raws]
    return [{"payload": body.pop(body["type"]), **body} for body in bodies], [record_of(raw) for raw in raws]


def ours(count: int, records: Sequence[Record]) -> Engines:
    """Our two ways: the functions, and the closures that they are made from."""
    asked = judges(rules(count))
    program = EventProgram(asked)
    each = [(judge.policy.name, judge.matcher.asked) for judge in asked]

    def fused(some: Sequence[int]) -> list[tuple[Record, Sequence[int]]]:
        return list(program.hits(records[: len(some)], 0))

    def meaning(found: Sequence[tuple[Record, Sequence[int]]]) -> Matches:
        return {(asked[number].policy.name, record.id) for record, numbers in found for number in numbers}

    def closures(some: Sequence[int]) -> list[tuple[str, str]]:
        return [(name, record.id) for record in records[: len(some)] for name, ask in each if ask(record.fields, 0)]

    every = len(records)
    return [Engine("fused functions", fused, meaning, every), Engine("closures", closures, set, every)]


def engines(count: int, made: Sequence[Event], records: Sequence[Record]) -> Engines:
    """All of them. The targets are those of 200 rules.

    Panther's rules have the target where they mean the same as ours, which ignore the case of the type, too. As their
    authors would write them, they need not: they know in which case the API writes it.
    """
    others = rules(count)
    judge, meaning = eventpeers.sqlite(others, made)
    at_200 = count == 200

    def panther(name: str, type_: eventpeers.PantherType, target: float = 0.0) -> Engine[int, Any]:
        asked, found = eventpeers.panther(others, type_)
        return Engine(name, lambda some: asked(made[: len(some)]), found, len(made), target)

    return [
        *ours(count, records),
        Engine("SQLite as Zircolite uses it", lambda some: judge(made[: len(some)]), meaning, len(made), 8 * at_200),
        panther("panther_core, rule()", eventpeers.PantherType.DEEP, 150 * at_200),
        panther("  type by get().lower()", eventpeers.PantherType.FOLDED),
        panther("  type by get(), in its case", eventpeers.PantherType.AS_IT_IS),
        *matcher(others, made, FEW),
    ]


def main() -> None:
    """Compare at some numbers of rules, and print how the cost of an event grows with them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2000, help="events of a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of which the median counts (%(default)s)")
    options = parser.parse_args()
    made, records = decoded(options.events)
    numbers = range(options.events)
    for count in (50, 200):
        compared = engines(count, made, records)
        medians = compare(compared, numbers, options.rounds)
        made_of = rules(count)
        anywhere = sum(all(each.field != "type" for each in leaves(condition)) for condition in made_of.values())
        mine = compared[0]
        found = len(mine.matches(mine.run(numbers)))
        print(f"\n{count} rules, {options.events} events, median of {options.rounds} rounds, CPU time")
        print(
            f"mix: {anywhere / count:.0%} of the rules look at events of any type, {found / options.events:.1%} matches"
        )
        print(f"for an event; that of the targets: 10 to 12%, and {'4.8' if count == 50 else '22'}%")
        table(compared, medians, "event")
    page(made, records, options.rounds)
    growth(records, options.rounds)


PAGE = 100


def page(made: Sequence[Event], records: Sequence[Record], rounds: int) -> None:
    """The same of one page, as a poll judges it: its events were decoded just before, and are in the caches.

    Of many events at once most of our time goes into fetching them from memory, which those who need a hundred times as
    long for each do not notice. A page is judged twenty times over, so that there is something to measure.
    """
    times = 20
    compared = engines(200, list(made[:PAGE]) * times, list(records[:PAGE]) * times)
    medians = compare(compared, range(PAGE * times), rounds)
    print(f"\n200 rules, a page of {PAGE} events {times} times over, median of {rounds} rounds, CPU time")
    table(compared, medians, "event")


def growth(records: Sequence[Record], rounds: int) -> None:
    """The cost of an event from 50 to 1,000 rules, which must grow less than they do."""
    print("\nrules    us/event   of that at 50 rules")
    first = 0.0
    for count in (50, 100, 200, 500, 1000):
        (median,) = compare(ours(count, records)[:1], range(len(records)), rounds).values()
        first = first or median
        verdict = (
            "" if count == 50 else "less than linear" if median / first < count / 50 else "MISSED: linear or worse"
        )
        print(f"{count:5}{median:12.2f}{median / first:10.1f}x   {verdict}")


if __name__ == "__main__":
    main()
