"""auditor.yaml as types: unknown keys refused, the environment over the file, secrets masked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from auditor import clock
from auditor.configtypes import Names, Seconds, Section, Zone
from auditor.routing import OWNER, InhibitRule, Root, Route, RoutingConfig, SilenceLimits, Team
from auditor.terms import Level
from auditor.timeintervals import Named
from auditor.webconfig import Web, is_loopback

ENV_PREFIX = "AUDITOR_"


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
    if parts.scheme == "http" and is_loopback(parts.hostname or ""):
        return url.rstrip("/")
    raise ValueError(
        "must be an https:// address; plain http is accepted for loopback only, because the key goes there"
    )


def _cron(text: str) -> str:
    try:
        CronSim(text, clock.from_epoch(0))
    except CronSimError as error:
        raise ValueError(f"not a cron line of five fields ({error}), for example '0 8 * * mon'") from error
    return text


class OrganizationConfig(Section):
    """One organization to audit, and how to reach it."""

    admin_key: SecretStr | None = None
    admin_key_file: Path | None = None
    base_url: Annotated[str, AfterValidator(sane_url)] = "https://api.openai.com/v1"
    requests_per_minute: int = Field(default=3000, ge=1, le=100_000)
    concurrency: int = Field(default=8, ge=1, le=64)


class Schedule(Section):
    """When things happen. Intervals are seconds, written as `15m`."""

    snapshot: Seconds = Field(default=15 * 60, ge=1)
    audit_log: Seconds = Field(default=30, ge=1)
    usage: Seconds = Field(default=86_400, ge=3600)
    role_assignments: Seconds = Field(default=6 * 3600, ge=1, le=7 * 86_400)
    """Between two readings of the roles of one user or group, which take a call each."""
    weekly_report: Annotated[str, AfterValidator(_cron)] = "0 8 * * mon"
    timezone: Zone = "UTC"


class Override(Section):
    """What an operator changes of one policy."""

    enabled: bool = True
    level: Level | None = None
    params: Mapping[str, Any] = {}


class Policies(Section):
    """Which policies judge, and with which parameters."""

    paths: Names = Field(default=("builtin:openai",), min_length=1)
    params: Mapping[str, Any] = {}
    overrides: Mapping[str, Override] = {}


class Due(Section):
    """How long a finding of each level may stand before it is overdue."""

    critical: Seconds = Field(default=86_400, ge=1)
    high: Seconds = Field(default=7 * 86_400, ge=1)
    medium: Seconds = Field(default=30 * 86_400, ge=1)
    low: Seconds = Field(default=90 * 86_400, ge=1)

    @property
    def by_level(self) -> Mapping[Level, int]:
        """Seconds by level; what only informs is never overdue."""
        return {level: getattr(self, level) for level in Level if level is not Level.INFORMATIONAL}


class Findings(Section):
    """How findings live: when they are overdue, when they flap, and what is asked of waivers."""

    due: Due = Due()
    flapping: int = Field(default=3, ge=1, le=1000)
    """Times that one may open within a day before its coming and going is one notice."""
    max_waiver: Seconds = Field(default=365 * 86_400, ge=86_400, le=3650 * 86_400)
    unused_waiver: Seconds = Field(default=30 * 86_400, ge=1)
    """After which a waiver that covers nothing is reported."""
    broad_waiver: int = Field(default=25, ge=1)
    """Findings that a waiver may cover before it is reported as too broad."""


class Reports(Section):
    """Where weekly reports are written, how many are kept, which sinks are told."""

    directory: Path = Path("reports")
    keep: int = Field(default=52, ge=1)
    to: Names = ()


class Log(Section):
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
    route: Root = Root()
    routes: tuple[Route, ...] = ()
    operators: Names = ()
    teams: Mapping[str, Team] = {}
    time_intervals: tuple[Named, ...] = ()
    inhibit_rules: tuple[InhibitRule, ...] = ()
    silences: SilenceLimits = SilenceLimits()
    reports: Reports = Reports()
    web: Web = Web()
    log: Log = Log()

    @property
    def routing(self) -> RoutingConfig:
        """Who is told what, when."""
        return RoutingConfig(
            sinks=tuple(self.sinks),
            personal=frozenset(name for name, raw in self.sinks.items() if raw.get("channel") == OWNER),
            root=self.route,
            routes=self.routes,
            operators=self.operators,
            teams=self.teams,
            time_intervals=self.time_intervals,
            inhibit_rules=self.inhibit_rules,
        )

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
