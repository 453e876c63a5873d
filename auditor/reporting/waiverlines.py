"""Every waiver that is or was known, of the store and of the file, and what is wrong with it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from auditor.errors import did_you_mean, some
from auditor.findings.protected import reach
from auditor.findings.waiverbook import Known, Limits, faults
from auditor.findings.waivers import Origin, Waiver
from auditor.globs import fits
from auditor.policy.model import Policy
from auditor.store import waivers
from auditor.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Line:
    """One waiver of one organization, and what is wrong with it."""

    organization: str
    known: Known
    faults: tuple[str, ...] = ()


def lines(
    tx: Transaction,
    organization: str,
    of_file: Sequence[Waiver],
    policies: Mapping[str, Policy],
    limits: Limits,
    now: int,
) -> list[Line]:
    """The waivers of an organization at `now`; `of_file` are those of the file today, `policies` those in force."""
    return [
        line(organization, known, voids, policies, limits, now)
        for known, voids in _known(tx, organization, of_file, limits, now)
    ]


def line(organization: str, known: Known, voids: int, policies: Mapping[str, Policy], limits: Limits, now: int) -> Line:
    """One waiver at `now`, void for `voids` findings."""
    return Line(organization, known, (*faults(known, voids, limits, now), *_vain(known.waiver, policies)))


def _known(
    tx: Transaction, name: str, of_file: Sequence[Waiver], limits: Limits, now: int
) -> Iterator[tuple[Known, int]]:
    """Every waiver of an organization: the store knows what became of it, the file what it says today."""
    voids = waivers.voids(tx, name)
    written = {each.id: each for each in of_file if name in (each.match.organization or (name,))}
    for known in waivers.listing(tx, name):
        today = written.pop(known.waiver.id, None)
        gone = known.gone_at or now if known.waiver.origin is Origin.FILE and today is None else None
        yield (
            replace(known, waiver=today or known.waiver.within(limits.longest), gone_at=gone),
            voids.get(known.waiver.id, 0),
        )
    yield from ((Known(each, known_at=now), 0) for each in written.values())


def _vain(waiver: Waiver, policies: Mapping[str, Policy]) -> Iterator[str]:
    """Why it covers nothing whatever is found, each as one sentence."""
    yield from _unknown(waiver, policies)
    if (taken := reach(waiver.match, policies.values())).is_vain:
        yield f"in vain: findings of {some(taken.beyond)} cannot be waived"


def _unknown(waiver: Waiver, policies: Collection[str]) -> Iterator[str]:
    """Policies that do not exist, each as one sentence."""
    for name in waiver.match.policy:
        if not any(fits(policy, name) for policy in policies):
            yield f"no policy is named `{name}`: {did_you_mean(name, policies, 'policies')}"
