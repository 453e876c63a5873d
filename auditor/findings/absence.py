"""When absence is believed: in the second picture, and not when most of a policy's resources vanish at once. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping

from auditor.findings.model import Finding

COLLAPSE_SHARE = 0.3
COLLAPSE_LEAST = 10
"""More than this share of a policy's findings, and at least this many, gone in one pass are not believed at once."""
COLLAPSE_HOLD = 86_400
"""Seconds of absence after which even a collapse is believed: by then somebody was told, or deleted them on purpose."""


def believed(
    absent: Iterable[Finding], open_findings: Iterable[Finding], taken_at: int
) -> tuple[list[Finding], tuple[str, ...]]:
    """Those of `absent` that are gone, and the policies whose findings are held back instead, by name.

    `open_findings` are all that were open before this pass; the picture was `taken_at` (Unix seconds). The same
    picture judged again proves no second absence.
    """
    whole = Counter(finding.policy for finding in open_findings)
    gone: list[Finding] = []
    held: list[str] = []
    for policy, again in _absent_again(absent, taken_at).items():
        lasting = [finding for finding in again if _lasts(finding, taken_at) >= COLLAPSE_HOLD]
        collapse = _is_collapse(len(again) - len(lasting), whole[policy])
        held += [policy] if collapse else []
        gone += lasting if collapse else again
    return gone, tuple(sorted(held))


def _absent_again(absent: Iterable[Finding], taken_at: int) -> Mapping[str, list[Finding]]:
    by_policy: dict[str, list[Finding]] = {}
    for finding in absent:
        if _lasts(finding, taken_at) > 0:
            by_policy.setdefault(finding.policy, []).append(finding)
    return by_policy


def _lasts(finding: Finding, taken_at: int) -> int:
    """Seconds since the first picture without the resource; 0 when this one is the first."""
    return 0 if finding.absent_since is None else taken_at - finding.absent_since


def _is_collapse(sudden: int, whole: int) -> bool:
    return sudden >= COLLAPSE_LEAST and sudden > COLLAPSE_SHARE * whole
