"""auditor.yaml as types: unknown keys refused, the environment over the file, secrets masked."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from auditor import clock
from auditor.terms import Level

ENV_PREFIX = "AUDITOR_"

Seconds = Annotated[int, BeforeValidator(clock.duration)]


def sane_url(url: str) -> str:
    """`url` without a trailing slash. Raises ValueError, which never repeats it, for what would give a secret away."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("is no address") from None
    if parts.username is not None or parts.password is not None or "?" in url or "#" in url:
        # Errors and logs show addresses, and user name and password would take the place of the key.
        raise ValueError(
            "must hold no user name, password, `?` or `#`: an address is shown, and a secret has its own key"
        )
    if parts.scheme == "https" and parts.hostname:
        return url.rstrip("/")
    if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
        return url.rstrip("/")
    raise ValueError(
        "must be an https:// address; plain http is accepted for loopback only, because the key goes there"
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("no such time zone; use a name like Europe/Berlin or UTC") from error
    return name


def _cron(text: str) -> str:
    try:
        CronSim(text, clock.from_epoch(0))
    except CronSimError as error:
        raise ValueError(f"not a cron line of five fields ({error}), for example '0 8 * * mon'") from error
    return text


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class OrganizationConfig(_Section):
    """One organization to audit, and how to reach it."""

    admin_key: SecretStr | None = None
    admin_key_file: Path | None = None
    base_url: Annotated[str, AfterValidator(sane_url)] = "https://api.openai.com/v1"
    requests_per_minute: int = Field(default=3000, ge=1, le=100_000)
    concurrency: int = Field(default=8, ge=1, le=64)


class Schedule(_Section):
    """When things happen. Intervals are seconds, written as `15m`."""

    snapshot: Seconds = Field(default=15 * 60, ge=1)
    audit_log: Seconds = Field(default=30, ge=1)
    usage: Seconds = Field(default=86_400, ge=3600)
    role_assignments: Seconds = Field(default=6 * 3600, ge=1, le=7 * 86_400)
    """Between two readings of the roles of one user or group, which take a call each."""
    weekly_report: Annotated[str, AfterValidator(_cron)] = "0 8 * * mon"
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"


class Override(_Section):
    """What an operator changes of one policy."""

    enabled: bool = True
    level: Level | None = None
    params: Mapping[str, Any] = {}


class Policies(_Section):
    """Which policies judge, and with which parameters."""

    paths: tuple[str, ...] = Field(default=("builtin:openai",), min_length=1)
    params: Mapping[str, Any] = {}
    overrides: Mapping[str, Override] = {}


class Match(_Section):
    """What a route takes; an empty matcher takes everything."""

    level: tuple[Level, ...] | None = None
    policy: tuple[str, ...] | None = None

    @field_validator("level", "policy", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


class Route(_Section):
    """Where alerts go: the first route that matches, and the next ones too with `continue`.

    With `events: all` it takes every new audit event instead, and no alert.
    """

    match: Match = Match()
    to: tuple[str, ...] = Field(min_length=1)
    continue_: bool = Field(default=False, alias="continue")
    events: Literal["all"] | None = None

    @model_validator(mode="after")
    def _events_match_nothing(self) -> "Route":
        if self.events and (self.match != Match() or self.continue_):
            raise ValueError("a route with `events: all` takes every event, and has no match and no continue")
        return self


class Due(_Section):
    """How long a finding of each level may stand before it is overdue."""

    critical: Seconds = Field(default=86_400, ge=1)
    high: Seconds = Field(default=7 * 86_400, ge=1)
    medium: Seconds = Field(default=30 * 86_400, ge=1)
    low: Seconds = Field(default=90 * 86_400, ge=1)

    @property
    def by_level(self) -> Mapping[Level, int]:
        """Seconds by level; what only informs is never overdue."""
        return {level: getattr(self, level) for level in Level if level is not Level.INFORMATIONAL}


class Findings(_Section):
    """How findings live: when they are overdue, when they flap, and what is asked of waivers."""

    due: Due = Due()
    flapping: int = Field(default=3, ge=1, le=1000)
    """Times that one may open within a day before its coming and going is one notice."""
    max_waiver: Seconds = Field(default=365 * 86_400, ge=86_400, le=3650 * 86_400)
    unused_waiver: Seconds = Field(default=30 * 86_400, ge=1)
    """After which a waiver that covers nothing is reported."""
    broad_waiver: int = Field(default=25, ge=1)
    """Findings that a waiver may cover before it is reported as too broad."""


class Reports(_Section):
    """Where weekly reports are written, how many are kept, which sinks are told."""

    directory: Path = Path("reports")
    keep: int = Field(default=52, ge=1)
    to: tuple[str, ...] = ()


class Web(_Section):
    """The page. Loopback by default: it has no login of its own."""

    listen: str = "127.0.0.1:9847"
    external_url: str = ""
    allowed_hosts: tuple[str, ...] = ()

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ValueError("must be HOST:PORT, for example 127.0.0.1:9847")
        return value

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


class Log(_Section):
    """How much is logged, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Config(BaseSettings):
    """The whole configuration, checked."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    organizations: Mapping[str, OrganizationConfig] = Field(min_length=1)
    store: str = Field(default="sqlite:///auditor.db", repr=False)
    schedule: Schedule = Schedule()
    policies: Policies = Policies()
    attestations: Path | None = None
    registers: Mapping[str, Path] = {}
    waivers: Path | None = None
    findings: Findings = Findings()
    sinks: Mapping[str, Mapping[str, Any]] = Field(default={}, repr=False)
    routes: tuple[Route, ...] = ()
    reports: Reports = Reports()
    web: Web = Web()
    log: Log = Log()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first: what a person sets beside the file is meant to win over it."""
        return env_settings, init_settings
