"""The policies of `resources` in the languages of other engines, each as its own documentation would write them.

Texts that people choose are compared without their case, as in Sigma; the API's own words are not, as their users know
in which case the API writes them. Our policies compare all texts without their case: where a peer is to say the same of
every key, and not only of those that the API sends, `folded` has it ignore the case of the API's words, too.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, product
from typing import Any

import jmespath
import lakera_regorus
from c7n.filters.core import FilterRegistry
from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

from peers.conditions import DAY, All, Condition, Leaf, No, joined
from peers.timing import Matches

Key = Mapping[str, Any]
Run = tuple[Callable[[Sequence[Key]], Any], Callable[[Any], Matches]]
"""What judges keys, and what its result means."""


def custodian(policies: Mapping[str, Condition], *, managed: bool, folded: bool) -> Run:
    """Cloud Custodian's filters, run as its resource managers run them; `age` for times: it keeps its own clock.

    Below a resource manager, as in every run of its own, blocks of filters look after the annotations; without one,
    as in its unit tests, they are faster.
    """
    registry = FilterRegistry("benchmark")
    manager = _Manager() if managed else None
    filters = {
        name: registry.parse([_custodian(each, folded=folded) for each in _parts(policy)], manager)
        for name, policy in policies.items()
    }

    def run(keys: Sequence[Any]) -> Any:
        found = []
        for key in keys:
            # What the round before wrote down would be copied again and again.
            key.pop("c7n:MatchedFilters", None)
        for name, some in filters.items():
            left = list(keys)
            for each in some:
                left = each.process(left, None)
            found.append((name, left))
        return found

    return run, lambda found: {(name, key["id"]) for name, some in found for key in some}


def _parts(condition: Condition) -> tuple[Condition, ...]:
    """The filters of a policy, which must all hold."""
    return condition.parts if isinstance(condition, All) else (condition,)


class _Manager:
    """What its filters ask of a resource manager: under which key a resource has its id."""

    id = "id"

    def get_model(self) -> "_Manager":
        return self


def _custodian(condition: Condition, *, folded: bool) -> dict[str, Any]:
    if isinstance(condition, Leaf):
        return {"type": "value", "key": condition.field, **_custodian_value(condition, folded=folded)}
    if isinstance(condition, No):
        part = condition.part
        if isinstance(part, Leaf) and part.how == "is":
            return {**_custodian(part, folded=folded), "op": "ne"}
        return {"not": [_custodian(part, folded=folded)]}
    word = "and" if isinstance(condition, All) else "or"
    return {word: [_custodian(part, folded=folded) for part in condition.parts]}


def _custodian_value(part: Leaf, *, folded: bool) -> dict[str, Any]:
    if part.how == "is" and folded and isinstance(part.value, str):
        return {"value_type": "normalize", "value": part.value}
    return _CUSTODIAN[part.how](part.value)


_CUSTODIAN: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "is": lambda value: {"value": value},
    "in": lambda value: {"value_type": "normalize", "op": "in", "value": value},
    "null": lambda _value: {"value": "absent"},
    "starts": lambda value: {"value_type": "normalize", "op": "glob", "value": f"{value}*"},
    "ends": lambda value: {"value_type": "normalize", "op": "glob", "value": f"*{value}"},
    "holds": lambda value: {"value_type": "normalize", "op": "glob", "value": f"*{value}*"},
    # It matches at the start of the text.
    "regex": lambda value: {"op": "regex-case", "value": value if value.startswith("^") else f".*{value}"},
    "older": lambda value: {"value_type": "age", "op": "gt", "value": value},
    "has": lambda value: {"op": "contains", "value": value},
}


def cel_cpp(policies: Mapping[str, Condition], now: int) -> Run:
    """CEL's C++ engine: one activation for each key."""
    env = cel.NewEnv(variables={"key": cel.Type.DYN}, extensions=[ext_strings.ExtStrings()])
    compiled = [(name, env.compile(_cel(policy, now))) for name, policy in policies.items()]

    def run(keys: Sequence[Key]) -> Any:
        found = []
        for key in keys:
            activation = env.Activation({"key": key})
            for name, each in compiled:
                if each.eval(activation).value() is True:
                    found.append((name, key["id"]))
        return found

    return run, set


def _cel(condition: Condition, now: int) -> str:
    if isinstance(condition, Leaf):
        return _CEL[condition.how](f"key.{condition.field}", condition.value, now)
    if isinstance(condition, No):
        return f"!({_cel(condition.part, now)})"
    words = [_cel(part, now) for part in condition.parts]
    return joined(words, " && " if isinstance(condition, All) else " || ")


_CEL: Mapping[str, Callable[[str, Any, int], str]] = {
    "is": lambda field, value, _now: f"{field} == {json.dumps(value)}",
    "in": lambda field, value, _now: f"{field}.lowerAscii() in {json.dumps(value)}",
    "null": lambda field, _value, _now: f"{field} == null",
    "starts": lambda field, value, _now: f"{field}.lowerAscii().startsWith({json.dumps(value)})",
    "ends": lambda field, value, _now: f"{field}.lowerAscii().endsWith({json.dumps(value)})",
    "holds": lambda field, value, _now: f"{field}.lowerAscii().contains({json.dumps(value)})",
    "regex": lambda field, value, _now: f"{field}.matches({json.dumps(value)})",
    "older": lambda field, value, now: f"({field} != null && {field} < {now - value * DAY})",
    "has": lambda field, value, _now: f"{json.dumps(value)} in {field}",
}


def rego(policies: Mapping[str, Condition], now: int) -> Run:
    """Rego by regorus: one query for each key, which gives the names of all policies that match."""
    rules = [
        f"found contains {json.dumps(name)} if {{ {'; '.join(_rego(part, now) for part in parts)} }}"
        for name, policy in policies.items()
        for parts in _alternatives(policy)
    ]
    engine = lakera_regorus.Engine()
    engine.add_policy("keys.rego", _REGO_HEAD + "\n".join(rules))

    def run(keys: Sequence[Key]) -> Any:
        found = []
        for key in keys:
            engine.set_input(key)
            found.append((key["id"], engine.eval_query("data.keys.found")))
        return found

    return run, lambda found: {
        (name, id_) for id_, said in found for name in said["result"][0]["expressions"][0]["value"]
    }


# In Rego null is less than every number.
_REGO_HEAD = """package keys
import rego.v1
older(at, limit) if { is_number(at); at < limit }
"""


def _alternatives(condition: Condition) -> list[tuple[Condition, ...]]:
    """In Rego alternatives are rules of one name, each of parts that hold together."""
    if isinstance(condition, Leaf | No):
        return [(condition,)]
    parts = [_alternatives(part) for part in condition.parts]
    if isinstance(condition, All):
        return [tuple(chain.from_iterable(chosen)) for chosen in product(*parts)]
    return list(chain.from_iterable(parts))


def _rego(condition: Condition, now: int) -> str:
    if isinstance(condition, No):
        return f"not {_rego(condition.part, now)}"
    assert isinstance(condition, Leaf)
    return _REGO[condition.how](f"input.{condition.field}", condition.value, now)


_REGO: Mapping[str, Callable[[str, Any, int], str]] = {
    # Its Python package turns booleans into numbers.
    "is": lambda field, value, _now: f"{field} == {int(value) if isinstance(value, bool) else json.dumps(value)}",
    "in": lambda field, value, _now: f"lower({field}) in {json.dumps(value)}",
    "null": lambda field, _value, _now: f"is_null({field})",
    "starts": lambda field, value, _now: f"startswith(lower({field}), {json.dumps(value)})",
    "ends": lambda field, value, _now: f"endswith(lower({field}), {json.dumps(value)})",
    "holds": lambda field, value, _now: f"contains(lower({field}), {json.dumps(value)})",
    "regex": lambda field, value, _now: f"regex.match({json.dumps(value)}, {field})",
    "older": lambda field, value, now: f"older({field}, {now - value * DAY})",
    "has": lambda field, value, _now: f"{json.dumps(value)} in {field}",
}


class _Functions(jmespath.functions.Functions):  # type: ignore[misc]
    """What JMESPath lacks."""

    @jmespath.functions.signature({"types": ["string"]}, {"types": ["string"]})  # type: ignore[untyped-decorator]
    def _func_regex(self, text: str, pattern: str) -> bool:
        return re.search(pattern, text) is not None

    @jmespath.functions.signature({"types": ["string"]})  # type: ignore[untyped-decorator]
    def _func_lower(self, text: str) -> str:
        return text.lower()


def jmes(policies: Mapping[str, Condition], now: int) -> Run:
    """JMESPath, with functions of ours for regular expressions and for case."""
    options = jmespath.Options(custom_functions=_Functions())
    compiled = [(name, jmespath.compile(_jmes(policy, now))) for name, policy in policies.items()]

    def run(keys: Sequence[Key]) -> Any:
        return [(name, key["id"]) for key in keys for name, each in compiled if each.search(key, options) is True]

    return run, set


def _jmes(condition: Condition, now: int) -> str:
    if isinstance(condition, Leaf):
        return _JMES[condition.how](condition.field, condition.value, now)
    if isinstance(condition, No):
        return f"!({_jmes(condition.part, now)})"
    words = [_jmes(part, now) for part in condition.parts]
    return joined(words, " && " if isinstance(condition, All) else " || ")


_JMES: Mapping[str, Callable[[str, Any, int], str]] = {
    "is": lambda field, value, _now: f"{field} == `{json.dumps(value)}`",
    "in": lambda field, value, _now: f"contains(`{json.dumps(value)}`, lower({field}))",
    "null": lambda field, _value, _now: f"{field} == `null`",
    "starts": lambda field, value, _now: f"starts_with(lower({field}), '{value}')",
    "ends": lambda field, value, _now: f"ends_with(lower({field}), '{value}')",
    "holds": lambda field, value, _now: f"contains(lower({field}), '{value}')",
    "regex": lambda field, value, _now: f"regex({field}, '{value}')",
    "older": lambda field, value, now: f"({field} != `null` && {field} < `{now - value * DAY}`)",
    "has": lambda field, value, _now: f"contains({field}, '{value}')",
}
