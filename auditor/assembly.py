"""From a checked configuration to the parts that work: policies, sinks, clients. Nothing is started here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from auditor import clock, passwords, redaction, routecheck
from auditor.adminapi.client import AdminClient
from auditor.alerts import registry
from auditor.alerts.gate import Gate
from auditor.alerts.registry import Unusable
from auditor.alerts.route import Routing
from auditor.alerts.sink import Sink
from auditor.alerts.sinks.slack import Config as SlackConfig
from auditor.alerts.teller import Teller
from auditor.configfile import Loaded
from auditor.errors import Fault, FaultyFiles, did_you_mean
from auditor.findings import waiverfile
from auditor.findings.waivers import Waiver
from auditor.inventory import attestations
from auditor.inventory.attestations import Attestation
from auditor.inventory.calendar import Calendar
from auditor.inventory.collect import Progress, no_progress
from auditor.inventory.schema import KINDS
from auditor.jobs.context import Audit
from auditor.jobs.decisions import Rules
from auditor.jobs.slackdesk import Desk
from auditor.jobs.slacklisten import Listener, Listeners, Watch, apps
from auditor.policy.configured import policies_of
from auditor.policy.load import PolicySet
from auditor.registers.read import read
from auditor.registers.table import NONE, REGISTERS, Registers
from auditor.store.database import Store
from auditor.web.metrics import Metrics


@dataclass(frozen=True)
class Parts:
    """What a configuration describes, ready to use."""

    loaded: Loaded
    policies: PolicySet
    sinks: dict[str, Sink]
    attestations: tuple[Attestation, ...] = ()
    registers: Registers = NONE
    waivers: tuple[Waiver, ...] = ()
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Who signs in to the page: hashes of passwords by name."""

    @property
    def queues(self) -> dict[str, Sink]:
        """What the outbox is emptied into: the sinks, and beside some of them the queue of audit events."""
        events = (self.sinks[name].of_events() for name in self.routing.streams)
        return {**self.sinks, **{sink.name: sink for sink in events}}

    @cached_property
    def routing(self) -> Routing:
        """Who is told what, when."""
        return Routing(self.loaded.config.routing)


def assemble(loaded: Loaded) -> Parts:
    """Load all that the configuration names, and build the sinks. Raises FaultyFiles or ConfigError."""
    policies = policies_of(loaded)
    routing_of(loaded, policies)
    return Parts(
        loaded,
        policies,
        sinks_of(loaded),
        attestations_of(loaded),
        registers_of(loaded),
        waivers_of(loaded),
        users_of(loaded),
    )


def names_of(loaded: Loaded, policies: PolicySet) -> routecheck.Names:
    """What the keys of a matcher may name. A policy that is switched off is known, and may be switched on again."""
    config = loaded.config
    return {
        "policy": {*policies.by_name, *config.policies.overrides},
        "kind": KINDS,
        "organization": config.organizations,
        "team": config.teams,
    }


def routing_of(loaded: Loaded, policies: PolicySet) -> Routing:
    """Who is told what, when. Raises FaultyFiles for a matcher that names what is not there."""
    found = routecheck.strangers(loaded.config, names_of(loaded, policies))
    if faults := [loaded.fault(*each) for each in found]:
        raise FaultyFiles(faults)
    return Routing(loaded.config.routing)


def attestations_of(loaded: Loaded) -> tuple[Attestation, ...]:
    """What people vouch for; the file is named relative to the configuration. Raises FaultyFiles or ConfigError."""
    path = _beside(loaded, "attestations", loaded.config.attestations)
    return attestations.read(path, loaded.config.organizations) if path else ()


def waivers_of(loaded: Loaded) -> tuple[Waiver, ...]:
    """The waivers of the file, which is named relative to the configuration. Raises FaultyFiles or ConfigError."""
    path = _beside(loaded, "waivers", loaded.config.waivers)
    return waiverfile.read(path, loaded.config.organizations, loaded.config.findings.max_waiver) if path else ()


def _beside(loaded: Loaded, key: str, written: Path | None) -> Path | None:
    if written is None:
        return None
    path = Path(loaded.document.file).parent / written
    if not path.is_file():
        raise FaultyFiles([loaded.fault((key,), f"there is no file {path}", "the path is relative to this file")])
    return path


def users_of(loaded: Loaded) -> dict[str, str]:
    """Who signs in to the page: hashes of passwords by name. Raises FaultyFiles or ConfigError."""
    web = loaded.config.web
    found = {name: value.get_secret_value() for name, value in web.users.items()}
    of_file = passwords.read(web.users_file) if web.users_file else {}
    faults = [
        loaded.fault(("web", "users", name), f"`{name}` stands in {web.users_file}, too", "keep one of the two")
        for name in found.keys() & of_file.keys()
    ]
    found |= of_file
    faults += [
        loaded.fault(("web", "deciders", i), f"nobody signs in as `{name}`", did_you_mean(name, found, "names"))
        for i, name in enumerate(web.deciders)
        if name not in found
    ]
    if faults:
        raise FaultyFiles(faults)
    for value in found.values():
        redaction.register(value)
    return found


def registers_of(loaded: Loaded) -> Registers:
    """The operator's own files, whose paths are relative to the configuration, each read whole."""
    rows = {}
    faults = []
    for name, path in loaded.config.registers.items():
        if name not in REGISTERS:
            hint = did_you_mean(name, REGISTERS, "registers")
            faults.append(loaded.fault(("registers", name), f"there is no register `{name}`", hint))
            continue
        try:
            rows[name] = read(name, Path(loaded.document.file).parent / path)
        except FaultyFiles as error:
            faults += error.faults
    if faults:
        raise FaultyFiles(faults)
    return Registers(rows)


def calendar_of(loaded: Loaded) -> Calendar:
    """The planned changes, and the zone whose clock counts."""
    return Calendar(registers_of(loaded), loaded.config.schedule.timezone)


def sink_of(loaded: Loaded, name: str, *, ready: bool = True) -> Sink:
    """The sink `name`, which the configuration has: `ready` to send, or as its settings alone describe it.

    Raises FaultyFiles with each fault and its line.
    """
    make = registry.build if ready else registry.described
    try:
        return make(name, loaded.config.sinks[name])
    except Unusable as error:
        raise FaultyFiles([loaded.fault(each.place, each.message, each.hint) for each in error.wrong]) from None


def sinks_of(loaded: Loaded) -> dict[str, Sink]:
    """The sinks by name. Raises FaultyFiles with the faults of all."""
    built: dict[str, Sink] = {}
    faults: list[Fault] = []
    for name in loaded.config.sinks:
        try:
            built[name] = sink_of(loaded, name)
        except FaultyFiles as error:
            faults += error.faults
    if faults:
        raise FaultyFiles(faults)
    apps(built.values())
    return built


def listeners_of(
    parts: Parts, store: Store, metrics: Metrics, now: clock.Clock, broken: Callable[[BaseException], None]
) -> Listeners:
    """Who listens to the buttons of the Slack sinks; `broken` is told of a bug there, from any thread."""
    config = parts.loaded.config
    rules = Rules(tuple(config.organizations), config.findings.max_waiver, parts.policies.by_name)

    def listener(names: Sequence[str], settings: SlackConfig) -> Listener:
        def connected(value: bool | None) -> None:
            for name in names:
                metrics.slack_socket(name, value)

        watch = Watch(connected, metrics.slack_press, broken)
        return Listener(", ".join(names), settings, Desk(store, settings, rules, now), watch)

    return Listeners([listener(names, settings) for names, settings in apps(parts.sinks.values())])


def client_of(
    loaded: Loaded, organization: str, on_response: Callable[[int | None], None] = lambda status: None
) -> AdminClient:
    """A client for `organization`; close it after use."""
    settings = loaded.config.organizations[organization]
    return AdminClient(
        loaded.keys[organization],
        base_url=settings.base_url,
        requests_per_minute=settings.requests_per_minute,
        concurrency=settings.concurrency,
        on_response=on_response,
    )


def gate_of(parts: Parts, now: clock.Clock = clock.now) -> Gate:
    """What may hold messages back."""
    config = parts.loaded.config
    return Gate(Teller(parts.policies.by_name, parts.routing, config.web.external_url), now)


def audit_of(
    parts: Parts, organization: str, client: AdminClient, store: Store, progress: Progress = no_progress
) -> Audit:
    """What the jobs need of `organization`."""
    config = parts.loaded.config
    return Audit(
        organization=organization,
        client=client,
        store=store,
        policies=parts.policies,
        registers=parts.registers,
        routing=parts.routing,
        marked=frozenset(name for name, sink in parts.sinks.items() if sink.takes_marks),
        keeping=frozenset(name for name, sink in parts.sinks.items() if sink.keeps_state),
        link=config.web.external_url,
        report_to=config.reports.to,
        report_directory=config.reports.directory,
        reports_kept=config.reports.keep,
        timezone=config.schedule.timezone,
        usage_every=config.schedule.usage,
        attestations=parts.attestations,
        waivers=parts.waivers,
        rules=config.findings,
        role_assignments=config.schedule.role_assignments,
        progress=progress,
    )
