"""From what events say and what a person vouches for to one value of a setting, with where it comes from. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from auditor.inventory.attestations import Attestation
from auditor.inventory.claims import Claim, Latest
from auditor.inventory.model import Gap, Record, Unknown
from auditor.inventory.schema import SETTING
from auditor.inventory.settingtypes import SETTING_TYPES, Source, Standing
from auditor.inventory.streams import Log

NO_EVENT = "no audit event has shown this setting yet; the API has no other place to read it"
NEVER_SHOWN = "neither an endpoint nor an audit event ever shows it; somebody has to attest it"
TORN = "it was changed twice within one second, and nothing says which change came last"


@dataclass(frozen=True, slots=True)
class Observed:
    """What events show of one setting now."""

    value: object = None
    """None when they show nothing that can be relied on."""
    at: int | None = None
    event: str = ""
    gaps: tuple[Gap, ...] = ()
    why: str = ""
    """Why there is no value."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. Times are Unix seconds."""

    name: str
    value: object
    """Unknown when nobody can say."""
    source: Source
    since: int | None = None
    """When it was last set, or attested."""
    event: str = ""
    """Id of the event that shows it; of the one that contradicts the attestation, where there is one."""
    attestation: Attestation | None = None
    """The newest one about it, whatever it is worth."""
    standing: Standing | None = None
    """What that attestation is worth."""
    why: str = ""
    """Why it is unknown."""

    @property
    def record(self) -> Record:
        """The setting as policies of kind `setting` see it."""
        fields: dict[str, object] = {
            "id": self.name,
            "name": self.name,
            "value": self.value if isinstance(self.value, Unknown) else written(self.value),
            "source": self.source.value,
            "since": self.since,
            "event": self.event or None,
            "attestation": self.standing.value if self.standing else None,
            "by": self.attestation.by if self.attestation else None,
            "until": self.attestation.until if self.attestation else None,
            "evidence": self.attestation.evidence if self.attestation else None,
            "why": self.why or None,
        }
        return Record(SETTING, (self.name,), {name: value for name, value in fields.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Case:
    """All that can be said of one setting."""

    name: str
    observed: Observed
    claims: Sequence[Claim] = ()
    """Every event that says something of it: an attestation that one of them contradicts is void."""
    attested: Sequence[Attestation] = field(default=())


def written(value: object) -> str:
    """A value of a setting as text: `true`, `90`, `proj_1, proj_2`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def observe(claims: Iterable[Claim], log: Log) -> Observed:
    """The latest claim, if it is one, and if every second since it was read."""
    latest = Latest()
    for each in claims:
        latest.add(each)
    if not latest.told:
        return Observed(gaps=(log.gap,) if log.gap else (), why=log.gap.reason if log.gap else NO_EVENT)
    if latest.torn:
        return Observed(at=latest.at, event=latest.event, why=TORN)
    doubt = log.doubt(latest.at)
    if doubt:
        why = f"it was {written(latest.value)} once, and the log cannot show that it still is: {doubt.reason}"
        return Observed(at=latest.at, event=latest.event, gaps=(doubt,), why=why)
    return Observed(latest.value, latest.at, latest.event)


def resolve(case: Case, now: int) -> Setting:
    """The value at `now` (Unix seconds): as observed, else as attested, else Unknown."""
    observed = case.observed
    attestation = max(case.attested, key=lambda each: (each.on <= now, each.on), default=None)
    standing, event = _standing(attestation, case, now) if attestation else (None, "")
    if standing is Standing.IN_FORCE and attestation:
        return Setting(
            case.name, attestation.value, Source.ATTESTED, attestation.on, "", attestation, standing, observed.why
        )
    if observed.value is not None:
        return Setting(case.name, observed.value, Source.OBSERVED, observed.at, observed.event, attestation, standing)
    why = _lapsed(standing, attestation) or observed.why or _silence(case.name)
    hidden = Unknown(observed.gaps, why=why)
    return Setting(case.name, hidden, Source.UNKNOWN, observed.at, event or observed.event, attestation, standing, why)


def _silence(name: str) -> str:
    return NO_EVENT if SETTING_TYPES[name].stream else NEVER_SHOWN


def _lapsed(standing: Standing | None, attestation: Attestation | None) -> str:
    if attestation is None or standing not in {Standing.EXPIRED, Standing.CONTRADICTED}:
        return ""
    return f"the attestation by {attestation.by} is {'over' if standing is Standing.EXPIRED else 'contradicted'}"


def _standing(attestation: Attestation, case: Case, now: int) -> tuple[Standing, str]:
    """What it is worth at `now`, and the id of the first event that contradicts it."""
    if now < attestation.on:
        return Standing.NOT_YET, ""
    against = [
        each
        for each in case.claims
        if attestation.on <= each.at < attestation.until and not _same(each.value, attestation.value)
    ]
    if against:
        return Standing.CONTRADICTED, min((each.at, each.event) for each in against)[1]
    if now >= attestation.until:
        return Standing.EXPIRED, ""
    if case.observed.value is None:
        return Standing.IN_FORCE, ""
    if _same(case.observed.value, attestation.value):
        return Standing.NOT_NEEDED, ""
    return Standing.CONTRADICTED, case.observed.event


def _same(one: object, other: object) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return sorted(map(str, one)) == sorted(map(str, other))
    return one == other
