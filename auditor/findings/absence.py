"""When absence is believed: in the second picture, and not when most of a kind or a policy is gone at once. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from auditor.findings.model import Collapse, Finding
from auditor.inventory.model import Scope

COLLAPSE_SHARE = 0.3
COLLAPSE_LEAST = 10
"""More than this share of the resources that have a finding, and at least this many, gone in one pass are not believed
at once; counted for each kind, whose findings many policies may share, and for each policy."""
COLLAPSE_HOLD = 86_400
"""Seconds of absence after which even a collapse is believed: by then somebody was told, or deleted them on purpose."""


def believed(
    absent: Iterable[Finding], open_findings: Iterable[Finding], taken_at: int
) -> tuple[list[Finding], tuple[Collapse, ...]]:
    """Those of `absent` that are gone, and what is held back instead; a policy is not named beside its whole kind.

    `open_findings` are all that were open before this pass; the picture was `taken_at` (Unix seconds). The same
    picture judged again proves no second absence.
    """
    again = [finding for finding in absent if _lasts(finding, taken_at) > 0]
    sudden = [finding for finding in again if _lasts(finding, taken_at) < COLLAPSE_HOLD]
    held = _collapses(sudden, open_findings)
    kept = {finding.id for finding in sudden if any(each.takes(finding) for each in held)}
    return [finding for finding in again if finding.id not in kept], held


def is_first(finding: Finding, taken_at: int) -> bool:
    """Whether a picture of `taken_at` is the first without the resource.

    One that is later than this one was taken by a clock that was ahead, and proves nothing of how long it lasts.
    """
    return finding.absent_since is None or finding.absent_since > taken_at


def _lasts(finding: Finding, taken_at: int) -> int:
    """Seconds since the first picture without the resource; 0 when this one is the first."""
    first = taken_at if is_first(finding, taken_at) else finding.absent_since
    return taken_at - (first or 0)


def _collapses(sudden: Iterable[Finding], open_findings: Iterable[Finding]) -> tuple[Collapse, ...]:
    whole, gone = _resources(open_findings), _resources(sudden)
    found = sorted(each for each, some in gone.items() if _is_collapse(len(some), len(whole[each])))
    kinds = {each.kind for each in found if not each.policy}
    return tuple(each for each in found if not each.policy or each.kind not in kinds)


def _resources(findings: Iterable[Finding]) -> Mapping[Collapse, set[Scope]]:
    """What has findings, of each kind and of each policy: one that five policies find fault with is one."""
    found: dict[Collapse, set[Scope]] = defaultdict(set)
    for finding in findings:
        found[Collapse(finding.kind)].add(finding.ids)
        found[Collapse(finding.kind, finding.policy)].add(finding.ids)
    return found


def _is_collapse(sudden: int, whole: int) -> bool:
    return sudden >= COLLAPSE_LEAST and sudden > COLLAPSE_SHARE * whole
