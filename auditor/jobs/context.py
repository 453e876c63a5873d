"""What every job needs of one organization."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from auditor.adminapi.client import AdminClient
from auditor.alerts.route import Routing
from auditor.alerts.teller import Teller
from auditor.config import Findings
from auditor.findings.waivers import Waiver
from auditor.inventory.attestations import Attestation
from auditor.inventory.collect import Progress, no_progress
from auditor.policy.load import PolicySet
from auditor.registers.table import NONE, Registers
from auditor.store.database import Store
from auditor.store.work import Lease


@dataclass(frozen=True)
class Audit:
    """One organization under audit."""

    organization: str
    client: AdminClient
    store: Store
    policies: PolicySet
    routing: Routing = field(default_factory=Routing)
    """The sinks that exist, and who of them is told what."""
    marked: frozenset[str] = frozenset()
    """Sinks that hear of what people decided about a finding that they were told of."""
    keeping: frozenset[str] = frozenset()
    """Sinks on whose other side each finding has a state, and which must hear of each."""
    link: str = ""
    """Address of the page, for links in alerts; empty for none."""
    report_to: tuple[str, ...] = ()
    """Sinks that are told of a new report."""
    report_directory: Path = Path("reports")
    reports_kept: int = 52
    timezone: str = "UTC"
    """Whose calendar names the week of a report: the one its schedule is written in."""
    usage_every: int = 86_400
    """Seconds between two readings of the usage and cost reports."""
    attestations: Sequence[Attestation] = ()
    """What people vouch for, of every organization."""
    waivers: Sequence[Waiver] = ()
    """Those of the file; the store has more."""
    rules: Findings = field(default_factory=Findings)
    """How findings live."""
    role_assignments: int = 6 * 3600
    """Seconds after which the roles of each user and group are read again, if no event names them before."""
    registers: Registers = NONE
    """What the operator's own files say."""
    lease: Lease | None = None
    """The work lease under which the job runs; its writes fail once another process took over."""
    progress: Progress = no_progress

    @property
    def teller(self) -> Teller:
        """Who writes the alerts of its findings."""
        return Teller(self.policies.by_name, self.routing, self.link)
