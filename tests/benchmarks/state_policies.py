"""Twenty policies over project API keys: our fused function beside other engines, decoding left out.

Needs the packages of the dependency group `bench` (`make bench` installs them into an environment of their own).
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import Any

from peers import statepeers
from peers.conditions import detection
from peers.resources import ACTIVE, EVERY_KEY, POLICIES, keys, whole
from peers.timing import Engine, Matches, compare, table

from auditor.inventory.model import Record
from auditor.inventory.records import lookup
from auditor.inventory.schema import fields_of
from auditor.policy.compile import compile_detection, compile_selection
from auditor.policy.grammar import Vocabulary, parse_detection, parse_selection
from auditor.policy.model import Policy
from auditor.policy.policyset import Judge
from auditor.policy.program import Sorted, StateProgram
from auditor.policy.template import Message
from auditor.terms import Level

KIND = "project_api_key"


def judges() -> tuple[Judge, ...]:
    """The policies as ours."""
    words = Vocabulary({name: each.type for name, each in fields_of(KIND).items()}, False, True, False)
    found = []
    for name, condition in POLICIES.items():
        parsed = parse_detection(detection(condition), words, _refuse)
        assert parsed
        applies = None
        if name not in EVERY_KEY:
            applies = parse_selection("applies_to", {ACTIVE.field: ACTIVE.value}, ("applies_to",), words, _refuse)
        asked = compile_selection(applies) if applies else None
        policy = Policy(name, name, KIND, Level.LOW)
        found.append(Judge(policy, compile_detection(parsed), Message(""), asked, applies_to=applies))
    return tuple(found)


def _refuse(place: object, message: str, hint: str = "") -> None:
    raise SystemExit(f"{place}: {message} {hint}")


def record(key: Mapping[str, Any]) -> Record:
    """The key as policies see it."""
    fields = {name: lookup(key, name) for name in FIELDS}
    return Record(KIND, (key["id"],), {name: value for name, value in fields.items() if value is not None})


FIELDS = (
    "id", "name", "created_at", "last_used_at", "owner_project_access", "owner.type", "owner.name", "owner.email",
    "owner.is_member", "owner.role", "owner.org_role", "owner.groups", "project.name", "project.status",
)  # fmt: skip


def main() -> None:
    """Compare, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=3000, help="project API keys of a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of which the median counts (%(default)s)")
    options = parser.parse_args()
    now = int(time.time())
    policies = judges()
    others = {name: whole(name) for name in POLICIES}
    program = StateProgram(KIND, policies)
    made = keys(options.keys, now)
    # Records lie side by side in memory, as after a collection.
    records = [record(key) for key in made]
    numbers = range(options.keys)

    def fused(some: Sequence[int]) -> list[Sorted]:
        return program.sort(records[: len(some)], now)

    def closures(some: Sequence[int]) -> list[tuple[str, str]]:
        asked = [(policy.policy.name, policy.applies, policy.matcher.asked) for policy in policies]
        return [
            (name, each.id)
            for each in records[: len(some)]
            for name, applies, ask in asked
            if (applies is None or applies(each.fields, now)) and ask(each.fields, now)
        ]

    def matches(found: Sequence[Sorted]) -> Matches:
        return {
            (policy.policy.name, each.id) for policy, one in zip(policies, found, strict=True) for each in one.matching
        }

    def peer(run: statepeers.Run, name: str, target: float = 0.0) -> Engine[int, Any]:
        judge, meaning = run
        return Engine(name, lambda some: judge(made[: len(some)]), meaning, options.keys, target)

    engines: list[Engine[int, Any]] = [
        Engine("fused function", fused, matches, options.keys),
        Engine("closures", closures, set, options.keys),
        peer(statepeers.cel_cpp(others, now), "CEL in C++ (cel-expr-python)", 30),
        peer(statepeers.jmes(others, now), "JMESPath"),
        peer(statepeers.rego(others, now), "Rego (lakera-regorus)"),
        peer(statepeers.custodian(others), "Cloud Custodian's filters (c7n)", 80),
    ]
    medians = compare(engines, numbers, options.rounds)
    count = len(matches(fused(numbers)))
    print(
        f"{len(policies)} policies, {options.keys} keys, {count} matches, median of {options.rounds} rounds, CPU time"
    )
    table(engines, medians, "key")


if __name__ == "__main__":
    main()
