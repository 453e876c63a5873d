"""From a seed to a whole organization: the same seed gives the same ids, and times relative to `now`."""

from auditor.simulator import history, people, settings, trust, workspaces
from auditor.simulator.auditlog import AuditLog
from auditor.simulator.dice import Dice
from auditor.simulator.model import Organization
from auditor.simulator.plan import PLANS, Size

__all__ = ["Organization", "Size", "generate"]


def generate(seed: int, size: Size, now: int) -> Organization:
    """The organization of `seed`, as it stands at `now` (Unix seconds), with about 60 days of audit log."""
    plan = PLANS[size]
    organization = Organization(
        id=Dice(seed, "organization", now).ident("org-", 24),
        title="Example Organization",
        seed=seed,
        log=AuditLog(seed, now),
        data_retention=settings.DataRetention(object="organization.data_retention", type="modified_abuse_monitoring"),
    )
    people.settle(organization, plan, seed, now)
    workspaces.build(organization, plan, seed, now)
    trust.equip(organization, seed, now)
    history.write(organization, plan, seed, now)
    return organization
