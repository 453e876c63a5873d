"""Twenty policies over project API keys: our fused function beside other engines, decoding left out.

Needs the packages of the dependency group `bench` (`make bench` installs them into an environment of their own).
"""

import argparse
import copy
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from peers import statepeers
from peers.conditions import detection, leaves
from peers.resources import POLICIES, keys
from peers.timing import Engine, Matches, compare, table

from auditor.inventory.model import Record
from auditor.inventory.records import lookup
from auditor.inventory.schema import fields_of
from auditor.policy.compile import compile_detection
from auditor.policy.grammar import Vocabulary, parse_detection
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
        found.append(Judge(Policy(name, name, KIND, Level.LOW), compile_detection(parsed), Message("")))
    return tuple(found)


def _refuse(place: object, message: str, hint: str = "") -> None:
    raise SystemExit(f"{place}: {message} {hint}")


def record(key: Mapping[str, Any]) -> Record:
    """The key as policies see it."""
    fields = {name: lookup(key, name) for name in FIELDS}
    return Record(KIND, (key["id"],), {name: value for name, value in fields.items() if value is not None})


def _mix() -> str:
    """How many comparisons of which kind there are."""
    kinds = Counter(
        "times" if each.how == "older" else "lists" if each.how == "has" else "texts and booleans"
        for condition in POLICIES.values()
        for each in leaves(condition)
    )
    return f"{kinds.total()} comparisons, " + ", ".join(f"{count} with {kind}" for kind, count in kinds.items())


FIELDS = (
    "id", "name", "created_at", "last_used_at", "owner_project_access", "owner.type", "owner.name", "owner.email",
    "owner.is_member", "owner.role", "owner.org_role", "owner.groups", "project.name", "project.status",
)  # fmt: skip


def main() -> None:
    """Compare, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=5000, help="project API keys of a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of which the median counts (%(default)s)")
    options = parser.parse_args()
    now = int(time.time())
    policies = judges()
    program = StateProgram(KIND, policies)
    made = keys(options.keys, now)
    # Records lie side by side in memory, as after a collection.
    records = [record(key) for key in made]
    numbers = range(options.keys)

    def fused(some: Sequence[int]) -> list[Sorted]:
        return program.sort(records[: len(some)], now)

    def closures(some: Sequence[int]) -> list[tuple[str, str]]:
        asked = [(policy.policy.name, policy.matcher.asked) for policy in policies]
        return [(name, each.id) for each in records[: len(some)] for name, ask in asked if ask(each.fields, now)]

    def matches(found: Sequence[Sorted]) -> Matches:
        return {
            (policy.policy.name, each.id) for policy, one in zip(policies, found, strict=True) for each in one.matching
        }

    def peer(run: statepeers.Run, name: str, target: float = 0.0) -> Engine[int, Any]:
        judge, meaning = run
        # Of its own: what one engine writes on a key is nothing that another should have to look at.
        own = copy.deepcopy(made)
        return Engine(name, lambda some: judge(own[: len(some)]), meaning, options.keys, target)

    engines: list[Engine[int, Any]] = [
        Engine("fused function", fused, matches, options.keys),
        Engine("closures", closures, set, options.keys),
        peer(statepeers.cel_cpp(POLICIES, now), "CEL in C++ (cel-expr-python)", 30),
        peer(statepeers.jmes(POLICIES, now), "JMESPath"),
        peer(statepeers.rego(POLICIES, now), "Rego (lakera-regorus)"),
        peer(statepeers.custodian(POLICIES, managed=True, folded=True), "Cloud Custodian's filters (c7n)", 80),
        peer(statepeers.custodian(POLICIES, managed=True, folded=False), "  the API's words in their case"),
        peer(statepeers.custodian(POLICIES, managed=False, folded=False), "  and without a resource manager"),
    ]
    medians = compare(engines, numbers, options.rounds)
    found = matches(fused(numbers))
    concerned = len({id_ for _, id_ in found}) / options.keys
    print(
        f"{len(policies)} policies, {options.keys} keys, {len(found)} matches, median of {options.rounds} rounds, CPU"
    )
    print(f"mix: {_mix()}; {concerned:.0%} of the keys match")
    print("that of the targets: 45 comparisons, 17 of them with numbers and Unix times, 3 with ISO 8601 times, which")
    print("this API does not have, 23 with texts and booleans, 2 with lists; no applies_to; 22% of the keys matched")
    table(engines, medians, "key")


if __name__ == "__main__":
    main()
