"""The alerts of findings, with all that routes and silences ask of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from auditor.alerts import compose, notices
from auditor.alerts.message import Alert
from auditor.alerts.route import Routing
from auditor.findings.expiry import Ending
from auditor.findings.model import Finding, Reason, Transition
from auditor.policy.model import Policy
from auditor.terms import State


@dataclass(frozen=True, slots=True)
class Teller:
    """What is needed of the configuration to tell of a finding."""

    policies: Mapping[str, Policy]
    routing: Routing
    link: str = ""

    def of(self, change: Transition) -> Alert | None:
        """The alert of a change of state; None when it is no news."""
        return self._complete(compose.from_transition(change, self.policies.get(change.finding.policy), self.link))

    def mark(self, change: Transition) -> Alert | None:
        """The alert of what a person decided, for where the finding was told; None for other changes."""
        return self._complete(compose.mark(change, self.policies.get(change.finding.policy), self.link))

    def overdue(self, finding: Finding, now: int) -> Alert:
        """The notice that the finding was not mended in time."""
        return self._about(finding, notices.overdue(finding, now, self.link))

    def ending(self, ending: Ending, now: int) -> Alert:
        """The notice that what a finding is about ends soon."""
        finding = ending.finding
        return self._about(finding, notices.ending(finding, ending.ends, ending.days, now, self.link))

    def flapping(self, finding: Finding, times: int, now: int) -> Alert:
        """The notice that the finding opened `times` times within a day."""
        return self._about(finding, notices.flapping(finding, times, now, self.link))

    def _complete(self, alert: Alert | None) -> Alert | None:
        if alert is None:
            return None
        return replace(alert, teams=self.routing.teams(alert.project, alert.project_name, alert.owner))

    def _about(self, finding: Finding, notice: Alert) -> Alert:
        """`notice` with what routes and silences ask of the finding, so that it goes where the finding goes."""
        like = self.standing(finding)
        return replace(
            notice,
            resource_id=like.resource_id,
            tags=like.tags,
            project=like.project,
            project_name=like.project_name,
            owner=like.owner,
            teams=like.teams,
            protected=like.protected,
        )

    def standing(self, finding: Finding) -> Alert:
        """The alert of an active finding, as if it had just been found."""
        opened = replace(finding, state=State.OPEN)
        alert = self.of(Transition(opened, None, Reason.DETECTED, finding.changed_at))
        assert alert is not None  # noqa: S101 - what opens is always news; for the type checker
        return alert
