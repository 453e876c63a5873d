"""What a picture proves of a finding that no verdict confirms: mended, absent, or nothing at all. Pure."""

from collections.abc import Mapping

from auditor.findings.model import Finding
from auditor.inventory.model import Scope, Snapshot
from auditor.policy.model import WHOLE, PolicyResult
from auditor.terms import Outcome


class Proof:
    """One picture with the results over it, by name of the policy."""

    def __init__(self, snapshot: Snapshot, results: Mapping[str, PolicyResult]) -> None:
        self._snapshot = snapshot
        self._results = results
        self._seen: dict[str, frozenset[Scope]] = {}

    def complies(self, finding: Finding) -> bool:
        """Whether the resource, or the count of all of them, was seen in full to be all right."""
        if self._hidden(finding):
            return False
        if finding.ids == WHOLE:
            return self._results[finding.policy].outcome is Outcome.PASS
        return self.present(finding)

    def absent(self, finding: Finding) -> bool:
        """Whether the picture is complete where the resource would be, and it is not there."""
        return finding.ids != WHOLE and not self._hidden(finding) and not self.present(finding)

    def present(self, finding: Finding) -> bool:
        """Whether the resource was seen, whatever else was not."""
        if finding.kind not in self._seen:
            records = self._snapshot.collection(finding.kind).records
            self._seen[finding.kind] = frozenset(record.ids for record in records)
        return finding.ids in self._seen[finding.kind]

    def _hidden(self, finding: Finding) -> bool:
        """Whether a gap may hide the resource, or what its policy needs to know of it."""
        result = self._results.get(finding.policy)
        if result is None or self._snapshot.collection(finding.kind).hides(finding.ids):
            return True
        if result.undecided is None:
            return any(verdict.outcome is Outcome.UNKNOWN for verdict in result.verdicts)
        return finding.ids in result.undecided
