"""What is newer than the published description of the API: values that only the newest package of the vendor knows.

A reader of the description has not heard of them and must not stumble: new values are announced as no breaking change.
Source: the package `openai` 3.54 beside the OpenAPI description, version 2.3.0.
"""

from collections.abc import Mapping

from auditor.simulator.dice import DAY, Dice
from auditor.simulator.history import office
from auditor.simulator.model import Organization

RESIDENCIES = ("JP_STORAGE_PROCESSING", "IN_STORAGE_PROCESSING", "AU_STORAGE_PROCESSING")
EVENT_TYPES = (
    "external_storage.registered",
    "external_storage.removed",
    "tenant.trusted_access.application.submitted",
    "tenant.trusted_access.business_verification.started",
)


def add(organization: Organization, now: int) -> None:
    """Let the last projects be in the newest residencies, and the newest types of events have happened this week."""
    for project, residency in zip(reversed(organization.active_projects), RESIDENCIES, strict=False):
        project.record.residency = residency
    dice = Dice(organization.seed, "newest", now)
    storage = next(iter(organization.external_storage.values()))
    payloads: Mapping[str, dict[str, object]] = {
        "external_storage.registered": {"id": storage.id, "data": {"geography": storage.geography}},
        "external_storage.removed": {"id": storage.id},
    }
    for place, kind in enumerate(EVENT_TYPES):
        actor = office(dice, organization.owners[0])
        organization.log.record(kind, now - DAY * (place + 1), actor, payloads.get(kind, {"id": organization.id}))
