"""What a waiver is about: policies, resources, people, by ids that no member of the organization chooses. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from auditor.findings.model import Finding
from auditor.globs import fits, fits_address, is_pattern
from auditor.inventory.schema import AUDIT_LOG, ancestors
from auditor.policy.model import Policy
from auditor.terms import Level

PROJECT = "project"


@dataclass(frozen=True, slots=True)
class Matcher:
    """Every condition that is given must hold; of several values in one, any. An empty one takes everything."""

    policy: tuple[str, ...] = ()
    """Names, or globs of them."""
    organization: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    resource: tuple[str, ...] = ()
    """Ids, or globs of them: its own (`key_1`), or with those of its parents (`proj_1/key_1`)."""
    project: tuple[str, ...] = ()
    """Ids, or globs of them."""
    owner: tuple[str, ...] = ()
    """Address or id of whoever answers for the resource, or globs of them; case says nothing."""
    level: tuple[Level, ...] = ()

    @property
    def narrow(self) -> bool:
        """Whether it names policies or resources, and not only where they are or how bad it is."""
        return any(each and all(map(_names, each)) for each in (self.policy, self.resource))

    def matches(self, finding: Finding) -> bool:
        """Whether it is about this finding."""
        return self._fits_but_for_owner(finding) and self._is_of_owner(finding)

    def in_doubt(self, finding: Finding) -> bool:
        """Whether nobody can say if it is about this finding: whose it is could not be seen in the last picture.

        An id that was seen is no other id, though the address that belongs to it was not; a glob may mean either.
        """
        if not finding.evidence.get("owner_unseen"):
            return False
        seen = {_is_address(each) for each in _owners(finding)}
        hidden = any(not seen.issuperset(_may_be_address(each)) for each in self.owner)
        return hidden and self._fits_but_for_owner(finding) and not self._is_of_owner(finding)

    def _fits_but_for_owner(self, finding: Finding) -> bool:
        return (
            _is_one_of(finding.organization, self.organization)
            and _is_one_of(finding.kind, self.kind)
            and _is_one_of(finding.level, self.level)
            and _fits((finding.policy,), self.policy)
            and _fits((finding.ids[-1], "/".join(finding.ids)), self.resource)
            and _fits(_project(finding), self.project)
        )

    def _is_of_owner(self, finding: Finding) -> bool:
        return not self.owner or any(fits_address(own, each) for own in _owners(finding) for each in self.owner)

    def may_match(self, policy: Policy) -> bool:
        """Whether it may be about a finding of this policy, of whichever resource."""
        # The audit log is in no project, and nobody's.
        nobodys = policy.kind == AUDIT_LOG and bool(self.project or self.owner)
        return (
            _fits((policy.name,), self.policy)
            and _is_one_of(policy.kind, self.kind)
            and _is_one_of(policy.level, self.level)
            and not nobodys
        )


def told(match: Matcher) -> str:
    """The conditions as one line: `policy: key-*; resource: key_1, key_2`."""
    given = ((each.name, getattr(match, each.name)) for each in fields(match))
    return "; ".join(f"{name}: {', '.join(values)}" for name, values in given if values)


def _names(pattern: str) -> bool:
    """Whether a glob names something: one of stars alone takes everything."""
    return bool(pattern.strip("*?/"))


def _is_address(owner: str) -> bool:
    return "@" in owner


def _may_be_address(pattern: str) -> Iterable[bool]:
    """Whether what a glob stands for is an address: one of the two, or either."""
    return (True, False) if is_pattern(pattern) and not _is_address(pattern) else (_is_address(pattern),)


def _is_one_of(value: str, wanted: tuple[str, ...]) -> bool:
    return not wanted or value in wanted


def _fits(names: Iterable[str], patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fits(name, pattern) for name in names for pattern in patterns)


def _project(finding: Finding) -> tuple[str, ...]:
    """Id of the project that it is, or that it is in; none where it is in none."""
    if finding.kind == PROJECT:
        return (finding.ids[-1],)
    inside = PROJECT in ancestors(finding.kind) and len(finding.ids) > 1
    return (finding.ids[ancestors(finding.kind).index(PROJECT)],) if inside else ()


def _owners(finding: Finding) -> tuple[str, ...]:
    found = finding.evidence.get("owner_ids")
    return tuple(str(each).lower() for each in found) if isinstance(found, list | tuple) else ()
