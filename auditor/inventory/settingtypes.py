"""The settings that no endpoint shows: their types, which stream tells of them, and which a person may attest."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from auditor.adminapi.fields import BOOLEAN, INTEGER, STRING, STRINGS, Field, Type
from auditor.terms import Stream


class Source(StrEnum):
    """Where the value of a setting comes from."""

    OBSERVED = "observed"
    ATTESTED = "attested"
    UNKNOWN = "unknown"


class Standing(StrEnum):
    """What an attestation is worth."""

    IN_FORCE = "in force"
    NOT_NEEDED = "not needed"
    """An event shows the value itself."""
    CONTRADICTED = "contradicted"
    EXPIRED = "expired"
    NOT_YET = "not yet in force"


@dataclass(frozen=True, slots=True)
class SettingType:
    """One setting."""

    field: Field
    stream: Stream | None
    """Whose events show it; None when no event ever does."""
    attestable: bool = True
    """Whether a person may vouch for it."""
    words: tuple[str, ...] = ()
    """The values that a text may have; empty for any."""

    def takes(self, value: object) -> bool:
        """Whether the setting can have this value."""
        match self.field.type:
            case Type.BOOLEAN:
                return isinstance(value, bool)
            case Type.INTEGER:
                return isinstance(value, int) and not isinstance(value, bool) and value > 0
            case Type.STRINGS:
                return isinstance(value, list) and all(isinstance(each, str) for each in value)
            case _:
                return isinstance(value, str) and (not self.words or value in self.words)


_LOGGING = ("disabled", "enabled_per_call", "enabled_for_all_projects", "enabled_for_selected_projects")

SETTING_TYPES: Mapping[str, SettingType] = {
    "organization_id": SettingType(STRING, Stream.ORGANIZATION, attestable=False),
    "name": SettingType(STRING, Stream.ORGANIZATION, attestable=False),
    "title": SettingType(STRING, Stream.ORGANIZATION, attestable=False),
    "description": SettingType(STRING, Stream.ORGANIZATION, attestable=False),
    "api_call_logging": SettingType(STRING, Stream.ORGANIZATION, words=_LOGGING),
    "api_call_logging_project_ids": SettingType(STRINGS, Stream.ORGANIZATION),
    "threads_ui_visibility": SettingType(STRING, Stream.ORGANIZATION, words=("ANY_ROLE", "OWNERS", "NONE")),
    "usage_dashboard_visibility": SettingType(STRING, Stream.ORGANIZATION, words=("ANY_ROLE", "OWNERS")),
    "scim_enabled": SettingType(BOOLEAN, Stream.ORGANIZATION),
    "ip_allowlist_active": SettingType(BOOLEAN, Stream.ORGANIZATION),
    "default_project_id": SettingType(STRING, Stream.ORGANIZATION, attestable=False),
    "default_project_name": SettingType(STRING, Stream.ORGANIZATION, attestable=False),
    "audit_logging": SettingType(BOOLEAN, Stream.ORGANIZATION),
    "sso_connected": SettingType(BOOLEAN, Stream.TENANT),
    "sso_enforced": SettingType(BOOLEAN, None),
    "mfa_enforced": SettingType(BOOLEAN, None),
    "max_key_lifetime_days": SettingType(INTEGER, None),
    "service_account_keys_only": SettingType(BOOLEAN, None),
}
"""Every setting, in the order of telling. This is the one list of what may be attested."""

ATTESTABLE: tuple[str, ...] = tuple(name for name, each in SETTING_TYPES.items() if each.attestable)
