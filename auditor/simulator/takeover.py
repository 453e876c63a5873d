"""The parts of the scenario `takeover`: somebody guesses an owner's password and makes themselves at home."""

from auditor.simulator import auditlog, names
from auditor.simulator.auditlog import Actor
from auditor.simulator.dice import DAY, Dice
from auditor.simulator.history import assignment
from auditor.simulator.model import Organization
from auditor.simulator.people import new_admin_key, new_user

FAILURES = 6
"""Failed sign-ins of the burst."""
_ALLOWLIST = {"id": "ip_allowlist_office", "name": "office"}


def prepare(organization: Organization, now: int) -> None:
    """An IP allowlist `office` was made three days ago and is active."""
    actor = auditlog.session(organization.owners[0], names.OFFICE[0])
    at = now - 3 * DAY
    created = {**_ALLOWLIST, "allowed_ips": ["198.51.100.0/24", "2001:db8:10::/48"]}
    organization.log.record("ip_allowlist.created", at, actor, created)
    organization.log.record("ip_allowlist.config.activated", at + 60, actor, {"configs": [_ALLOWLIST]})


def fail_to_sign_in(organization: Organization, at: int) -> None:
    """A script tries passwords: all failures within one second."""
    failure = {"error_code": "invalid_credentials", "error_message": "Wrong e-mail or password"}
    for _ in range(FAILURES):
        organization.log.record("login.failed", at, _thief(organization), failure)


def sign_in(organization: Organization, at: int) -> None:
    """The right password at last."""
    organization.log.record("login.succeeded", at, _thief(organization), {})


def switch_allowlist_off(organization: Organization, at: int) -> None:
    """The allowlist of `prepare` is active no longer."""
    payload = {"configs": [_ALLOWLIST]}
    organization.log.record("ip_allowlist.config.deactivated", at, _thief(organization), payload)


def make_admin_key(organization: Organization, at: int) -> None:
    """An admin key that never expires; both streams tell of it, since the texts do not say which one does."""
    key = new_admin_key(_dice(organization), organization.owners[0], name="backup", created_at=at)
    organization.admin_api_keys[key.id] = key
    scopes = {"scopes": ["api.management.read", "api.management.write"]}
    thief = _thief(organization)
    organization.log.record("api_key.created", at, thief, {"id": key.id, "data": scopes})
    organization.log.record("tenant.admin_api_key.created", at, thief, {"id": key.id, "name": key.name})


def add_owner(organization: Organization, at: int) -> None:
    """A stranger becomes an owner, and is in no group."""
    stranger = new_user(
        _dice(organization), name="IT Support", email="it-support@example.net", role="owner", added_at=at
    )
    organization.users[stranger.id] = stranger
    thief = _thief(organization)
    organization.log.record("user.added", at, thief, {"id": stranger.id, "data": {"role": "owner"}})
    granted = assignment(_dice(organization), stranger.id, organization.id, "api.organization")
    organization.log.record("role.assignment.created", at, thief, granted)


def disable_scim(organization: Organization, at: int) -> None:
    """Leavers are no longer removed."""
    organization.log.record("scim.disabled", at, _thief(organization), {"id": organization.id})


def _thief(organization: Organization) -> Actor:
    """The first owner's account, from an address nobody has seen."""
    return auditlog.session(organization.owners[0], names.STRANGER)


def _dice(organization: Organization) -> Dice:
    """New ids at every play, yet not dependent on the time: the same seed gives the same findings."""
    size = len(organization.users) + len(organization.admin_api_keys)
    return Dice(organization.seed, f"takeover/{size}", 0)
