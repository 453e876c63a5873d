"""Fields that no event is known to have. Events are open, so this is told and refused nowhere. Pure."""

from collections.abc import Iterable, Iterator

from auditor.adminapi.eventpayloads import ACTOR, PAYLOADS
from auditor.adminapi.eventtypes import KNOWN
from auditor.errors import did_you_mean
from auditor.inventory.schema import fields_of
from auditor.policy.model import EVENT
from auditor.policy.policyset import Judge
from auditor.policy.watch import UNHEARD, watches

_MOST = 100
"""Values of a rule up to which it is asked which types of events it can match: each type is asked for."""
_ALWAYS = frozenset({*fields_of(EVENT), "object", *(f"actor.{name}" for name in ACTOR)})


def strange(names: Iterable[str], judges: Iterable[Judge]) -> Iterator[tuple[str, str]]:
    """Each name that no event which one of `judges` matches is known to have, and what was probably meant."""
    rules = tuple(judges)
    asked = sorted(set(names) - _ALWAYS)
    payloads = _payloads(rules, [name for name in asked if name.startswith("payload.")])
    for name in asked:
        known = payloads if name.startswith("payload.") else _outside_payload(name)
        if known is not None and not _holds(known, name):
            yield name, did_you_mean(name, known, "fields")


def _outside_payload(name: str) -> set[str] | None:
    """What may stand there instead; None for the payload, by the name of its type, of a type that nobody described."""
    kind = next((each for each in KNOWN if name.startswith(f"{each}.")), "")
    if kind:
        return {f"{kind}.{each}" for each in PAYLOADS[kind]} if kind in PAYLOADS else None
    head = name.split(".", maxsplit=1)[0]
    below = {each for each in _ALWAYS if each.startswith(f"{head}.")}
    return below if below and "." in name else set(_ALWAYS)


def _payloads(rules: tuple[Judge, ...], names: list[str]) -> set[str] | None:
    """What `names` of payloads may be in the events that the rules match; None when nobody described one of these."""
    compared = [each for judge in rules for each in judge.matcher.detection.comparisons]
    # Most rules say outright which types they match, and to ask for every type takes a while.
    known = _below({str(value) for each in compared if each.field == "type" for value in each.values}, rules)
    if all(_holds(known, name) for name in names):
        return known
    tests = sum(len(each.tests) for each in compared)
    if tests > _MOST or any(watches(rules, kind) for kind in (UNHEARD, *(KNOWN - PAYLOADS.keys()))):
        return None
    return _below(PAYLOADS, rules) or None


def _below(kinds: Iterable[str], rules: tuple[Judge, ...]) -> set[str]:
    """The names in the payloads of those of the types that the rules match; a key made and a key changed are alike."""
    families = {kind.rpartition(".")[0] for kind in kinds if kind in PAYLOADS and watches(rules, kind)}
    return {
        f"payload.{name}" for kind, names in PAYLOADS.items() if kind.rpartition(".")[0] in families for name in names
    }


def _holds(known: Iterable[str], name: str) -> bool:
    """Whether a name is one of the known ones, above one, or below one that says nothing of what is in it."""
    return any(each == name or name.startswith(f"{each}.") or each.startswith(f"{name}.") for each in known)
