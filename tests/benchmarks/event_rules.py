"""Rules over audit events: our functions for each type of event beside other engines, decoding left out.

Needs the packages of the dependency group `bench` (`make bench` installs them into an environment of their own).
sigma-rule-matcher is left out: it needs pySigma 1, and this project runs on pySigma 2.
"""

import argparse
from collections.abc import Sequence
from typing import Any

import msgspec
from peers import eventpeers
from peers.auditevents import events, rules
from peers.rules import judges
from peers.timing import Engine, Matches, compare, table

from auditor.inventory.events import record_of
from auditor.inventory.model import Record
from auditor.policy.program import EventProgram

Pair = tuple[dict[str, Any], Record]
"""An event as others see it, the payload under one name, and the record that our rules are asked of."""


def pairs(count: int) -> list[Pair]:
    """The events, decoded."""
    found = []
    for raw in events(count):
        body = msgspec.json.decode(raw)
        record = record_of(raw)
        found.append(({"payload": body.pop(body["type"]), **body}, record))
    return found


def ours(count: int) -> tuple[list[Engine[Pair, Any]], EventProgram]:
    """Our two ways: the functions, and the closures that they are made from."""
    asked = judges(rules(count))
    program = EventProgram(asked)
    each = [(judge.policy.name, judge.matcher.asked) for judge in asked]

    def fused(some: Sequence[Pair]) -> list[tuple[str, Sequence[int]]]:
        return [(record.id, program.matching(record.fields, 0)) for _, record in some]

    def meaning(found: Sequence[tuple[str, Sequence[int]]]) -> Matches:
        return {(asked[number].policy.name, id_) for id_, numbers in found for number in numbers}

    def closures(some: Sequence[Pair]) -> list[tuple[str, str]]:
        return [(name, record.id) for _, record in some for name, ask in each if ask(record.fields, 0)]

    return [Engine("fused functions", fused, meaning, 10**9), Engine("closures", closures, set, 2000)], program


def engines(count: int, every: Sequence[Pair], slow: int) -> list[Engine[Pair, Any]]:
    """All of them; `slow` events for those that need milliseconds for each."""
    others = rules(count)
    judge, meaning = eventpeers.sqlite(others, [event for event, _ in every])
    panther, found = eventpeers.panther(others)
    own, _ = ours(count)
    at_200 = count == 200
    return [
        *own,
        Engine(
            "SQLite as Zircolite uses it", lambda some: judge([event for event, _ in some]), meaning, 10**9, 8 * at_200
        ),
        Engine("panther_core, rule()", lambda some: panther([event for event, _ in some]), found, slow, 150 * at_200),
    ]


def main() -> None:
    """Compare at some numbers of rules, and print how the cost of an event grows with them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000, help="events of a round (%(default)s)")
    parser.add_argument("--slow", type=int, default=1000, help="events for the slowest engine (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of which the median counts (%(default)s)")
    options = parser.parse_args()
    every = pairs(options.events)
    for count in (50, 200):
        compared = engines(count, every, options.slow)
        medians = compare(compared, every, options.rounds)
        print(f"\n{count} rules, {options.events} events, median of {options.rounds} rounds, CPU time")
        table(compared, medians, "event")
    growth(every, options.rounds)


def growth(every: Sequence[Pair], rounds: int) -> None:
    """The cost of an event from 50 to 1,000 rules, which must grow less than they do."""
    print("\nrules    us/event   of that at 50 rules")
    first = 0.0
    for count in (50, 100, 200, 500, 1000):
        own, _ = ours(count)
        (median,) = compare(own[:1], every, rounds).values()
        first = first or median
        verdict = (
            "" if count == 50 else "less than linear" if median / first < count / 50 else "MISSED: linear or worse"
        )
        print(f"{count:5}{median:12.2f}{median / first:10.1f}x   {verdict}")


if __name__ == "__main__":
    main()
