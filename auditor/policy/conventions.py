"""What a policy of ours must have beyond what lets it run; of rules written elsewhere nothing of it is asked. Pure."""

import re
from collections.abc import Mapping
from pathlib import PurePath

from auditor.policy import params as parameters
from auditor.policy.conditions import selections_named
from auditor.policy.files import WHY, PolicyFile
from auditor.policy.grammar import Detection
from auditor.policy.modifiers import Complain

_STATE_ONLY: Mapping[str, str] = {
    "applies_to": "ask for it in the condition",
    "allowed": "a correlation counts events",
}
"""Keys that say nothing in a rule over events, each with what to write instead."""


def is_ours(file: PolicyFile) -> bool:
    """Whether the policy follows our conventions, rather than being a rule that was written elsewhere."""
    return bool(file.remediation or file.examples or file.controls)


class Conventions:
    """Looks for what is missing in one policy."""

    def __init__(self, file: PolicyFile, spoilt: frozenset[str], complain: Complain) -> None:
        """`spoilt` are keys whose values cannot be used: nothing that hangs on them is missing."""
        self._file = file
        self._spoilt = spoilt
        self._complain = complain

    def named_like(self, path: PurePath) -> None:
        """The name is that of the file."""
        if self._file.name and self._file.name != path.stem:
            message = f"the name `{self._file.name}` differs from the file's"
            self._complain(("name",), message, f"name it `{path.stem}`")

    def explained(self) -> None:
        """Whoever is told of a finding can read why it matters and what to do."""
        for key in ("description", "remediation"):
            if not getattr(self._file, key):
                self._complain((), f"`{key}` is missing", WHY[key])

    def has_examples(self) -> None:
        """One at least that fails and one that passes."""
        expected = {example.expect for example in self._file.examples}
        for each in ("fail", "pass"):
            if each not in expected and "examples" not in self._spoilt:
                hint = "examples are the tests of a policy: at least one of each"
                self._complain(("examples",), f"there is no example that expects `{each}`", hint)

    def sound_params(self) -> None:
        """Parameters that can be used at all."""
        for name, fault in parameters.unusable(self._file.params).items():
            self._complain(("params", name), f"`{name}`: {fault}")

    def params_used(self, tree: Mapping[str, object]) -> None:
        """Every parameter is named in `tree` or in the message."""
        if self._spoilt & {"params", "message", "detection", "applies_to", "allowed"}:
            return
        used = parameters.names_in(tree) | set(re.findall(r"[a-z][a-z0-9_]*", self._file.message))
        for name in self._file.params.keys() - used - parameters.unusable(self._file.params).keys():
            self._complain(("params", name), f"nothing uses the parameter `{name}`", "write `%name%`, or delete it")

    def selections_used(self, detection: Detection | None) -> None:
        """The condition asks for every selection."""
        if detection:
            for name in detection.selections.keys() - selections_named(detection.condition):
                message = f"the condition never asks for `{name}`"
                self._complain(("detection", name), message, "name it there, or delete it")

    def of_events(self) -> None:
        """Nothing stands in a rule over events that would be passed over in silence."""
        for key, hint in _STATE_ONLY.items():
            if key in (self._file.model_extra or {}):
                self._complain((key,), f"`{key}` is for state policies only", hint)
