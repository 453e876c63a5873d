"""From the documents of one policy file to compiled policies, or to the faults in them. Pure."""

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule

from auditor.errors import Fault, did_you_mean
from auditor.inventory.schema import KINDS, fields_of, is_open
from auditor.policy import params as parameters
from auditor.policy import slips
from auditor.policy.built import Built
from auditor.policy.comparison import Budget
from auditor.policy.compile import Asked, compile_detection, compile_selection
from auditor.policy.controls import unknown as unknown_controls
from auditor.policy.conventions import Conventions, is_ours
from auditor.policy.counting import correlation_of
from auditor.policy.examplefile import examples_of
from auditor.policy.files import AllowedFile, CorrelationFile, PolicyFile, RuleFile, StateFile
from auditor.policy.grammar import (
    Detection,
    Selection,
    Vocabulary,
    fields_read,
    parse_detection,
    parse_selection,
)
from auditor.policy.model import EVENT, Allowed, Policy
from auditor.policy.policyset import Correlated, Judge
from auditor.policy.settings import Settings
from auditor.policy.shape import File, Shaped, checked, shaped
from auditor.policy.sigmaform import not_sigma
from auditor.policy.slips import Slip
from auditor.policy.template import IN_EVERY_MESSAGE, Message, NoFilter
from auditor.yamlfile import Document, Place

_OURS = {"product": "openai", "service": "audit", "category": None}
MAX_DOCUMENTS = 100
"""Documents of one file; each is digested with all the others."""
MAX_FAULTS = 100
"""Faults of one file that are told; nobody reads on, and each of them costs a search for what was meant."""

_LONGEST_KEY = 100
"""Characters of a key up to which it may be a misspelt one."""
_LONGEST_MESSAGE = 1000


class _Enough(Exception):
    """The file has more faults than are told."""


class Builder:
    """Builds the policies of one file."""

    def __init__(
        self,
        path: Path,
        documents: Sequence[Document],
        settings: Settings,
        built: Built,
        written: frozenset[tuple[int, int]] = frozenset(),
    ) -> None:
        """`written` are line and column of what is wrong without any setting: other faults are those of settings."""
        self._path = path
        self._documents = documents
        self._settings = settings
        self._built = built
        self._written = written
        self._uses: dict[Place, Place] = {}
        self._faults: list[Fault] = []
        self._shaped: Shaped[Any] = Shaped(None, {})
        self._budget = Budget()
        self._document = documents[0] if documents else Document(None, str(path))

    def build(self) -> list[Fault]:
        """Add the policies of the file to what was built; returns its faults, the first MAX_FAULTS of them."""
        try:
            self._build()
        except _Enough:
            self._faults.append(Fault(str(self._path), 0, 0, f"more than {MAX_FAULTS} faults", "mend these first"))
        return self._faults

    def _build(self) -> None:
        if not self._documents:
            self._complain((), "the file is empty", "a policy starts with `title:`")
        if len(self._documents) > MAX_DOCUMENTS:
            self._complain((), f"more than {MAX_DOCUMENTS} documents", "split it into several files")
            return
        last = self._documents[-1].value if self._documents else None
        if isinstance(last, Mapping) and "correlation" in last:
            self._correlation()
            return
        for document in self._documents:
            self._document = document
            self._single(document.value, alone=len(self._documents) == 1)

    def _complain(self, place: Place, message: str, hint: str = "") -> None:
        if self._shaped.tells(place):
            return
        if len(self._faults) == MAX_FAULTS:
            raise _Enough
        message = message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}…"
        fault = Fault(str(self._path), *self._document.where(place), message, hint)
        setting = None if (fault.line, fault.column) in self._written else self._setting_behind(place)
        if setting:
            message = f"{message}; in {fault.file}:{fault.line}:{fault.column}"
            self._built.unsettled.setdefault(setting, self._settings.tell(setting, message, hint))
        else:
            self._faults.append(fault)

    def _setting_behind(self, place: Place) -> Place | None:
        """Where auditor.yaml sets the value that stands at a place of the policy, or below it."""
        return next((setting for used, setting in self._uses.items() if used[: len(place)] == place), None)

    def _single(self, value: object, *, alone: bool) -> None:
        if not isinstance(value, Mapping):
            empty = value is None
            hint = "delete the `---` before it" if empty and not alone else "it starts with `title:`"
            self._complain((), "the document is empty" if empty else "a policy is a mapping", hint)
        elif "resource" in value:
            self._state(value)
        elif "logsource" in value:
            judge = self._rule(value, alone=alone)
            if judge and self._enabled(judge.policy.name):
                self._built.rules.append(judge)
        elif "correlation" in value:
            hint = "move it to the end, each rule before it, with `---` between them"
            self._complain(("correlation",), "a correlation stands last, in the file of the rules that it counts", hint)
        else:
            self._complain((), "neither `resource:` (a state policy) nor `logsource:` (an event rule)", _meant(value))

    def _state(self, value: Mapping[str, object]) -> None:
        if "logsource" in value:
            hint = "two files: one for the state, one for the events"
            self._complain(("logsource",), "a policy has `resource:` or `logsource:`, and not both", hint)
            value = {key: each for key, each in value.items() if key != "logsource"}
        file = self._shape(StateFile, value)
        if file is None:
            return
        words = self._vocabulary(file.resource)
        conventions = self._conventions(file)
        conventions.named_like(self._path)
        tree: dict[str, Any] = {"detection": file.detection, "applies_to": file.applies_to, "allowed": file.allowed}
        policy, tree = self._policy(file, file.resource if words.fields else "", tree)
        conventions.has_examples()
        detection = self._detection(tree["detection"], words)
        applies = self._applies(tree["applies_to"], words)
        message = self._message(file, frozenset(words.fields) or None)
        allowed = self._allowed(tree["allowed"])
        if policy and detection and message and not self._faults and self._enabled(policy.name):
            policy = replace(policy, allowed=allowed)
            self._built.states.append(Judge(policy, compile_detection(detection), message, *_applies(applies)))

    def _vocabulary(self, kind: str) -> Vocabulary:
        """What a policy for `kind` may say; after complaining of a kind that does not exist, anything."""
        if kind not in KINDS or is_open(kind):
            hint = did_you_mean(kind, tuple(kind for kind in KINDS if not is_open(kind)), "kinds")
            self._complain(("resource",), f"unknown kind of resource `{kind}`", hint)
            return Vocabulary({}, True, True, False, self._budget)
        types = {name: each.type for name, each in fields_of(kind).items()}
        return Vocabulary(types, False, True, False, self._budget)

    def _rule(self, value: Mapping[str, object], *, alone: bool, silent: bool = False) -> Judge | None:
        """One event rule; `alone` in its file, it takes the name of the file when it has none.

        One that is `silent` is counted by a correlation, and tells nobody anything.
        """
        file = self._shape(RuleFile, value)
        if file is None:
            return None
        source = {"service": "audit", **file.logsource}
        if {key: source.get(key) for key in _OURS} != _OURS:
            self._complain(("logsource",), "this rule is for other logs", "here is `product: openai, service: audit`")
        self._sigma(SigmaRule)
        name = file.name or (self._path.stem if alone else str(file.id or ""))
        if not name:
            self._complain((), "a rule among others needs a `name`", "the correlation refers to it")
        policy, tree = self._policy(file, EVENT, {"detection": file.detection}, name)
        detection = self._detection(tree["detection"], Vocabulary({}, True, False, True, self._budget))
        message = self._message(file, None)
        self._conventions(file).of_events()
        if is_ours(file) and not silent:
            self._conventional(file, alone=alone)
            self._conventions(file).selections_used(detection)
        if policy is None or detection is None or message is None:
            return None
        judge = Judge(policy, compile_detection(detection), message)
        self._warn(slips.of_rule(file, judge, self._document))
        return judge

    def _conventional(self, file: RuleFile | CorrelationFile, *, alone: bool) -> None:
        """What a policy over events must have when it is ours."""
        conventions = self._conventions(file)
        conventions.explained()
        conventions.has_examples()
        if alone:
            conventions.named_like(self._path)

    def _warn(self, slips: Iterable[Slip]) -> None:
        for place, message, hint in slips:
            self._built.warnings.append(Fault(str(self._path), *self._document.where(place), message, hint))

    def _correlation(self) -> None:
        """Base rules first, the correlation last; the bases are silent unless it says `generate: true`."""
        bases = self._bases()
        self._document = self._documents[-1]
        value = self._document.value
        file = self._shape(CorrelationFile, value) if isinstance(value, Mapping) else None
        if file is None or not isinstance(value, Mapping):
            return
        name = file.name or self._path.stem
        self._conventions(file).of_events()
        if is_ours(file):
            self._conventional(file, alone=True)
        policy, _ = self._policy(file, EVENT, {}, name)
        message = self._message(file, None)
        names = {reference: judge.policy.name for reference, judge in bases.items()}
        correlation = correlation_of(file.correlation, names, self._complain)
        if correlation:
            self._sigma(SigmaCorrelationRule)
        if not (policy and message and correlation) or self._faults or not self._enabled(name):
            return
        self._built.correlations.append(Correlated(policy, correlation, message))
        self._warn(slips.of_correlation(file, correlation, message, bases.values()))
        self._built.bases.update({judge.policy.name: judge for judge in bases.values()})
        if file.correlation.generate:
            self._built.rules += {judge.policy.name: judge for judge in bases.values()}.values()

    def _bases(self) -> dict[str, Judge]:
        """The rules that a correlation counts, by name and by id."""
        bases = {}
        for document in self._documents[:-1]:
            self._document = document
            if not isinstance(document.value, Mapping) or "logsource" not in document.value:
                self._complain((), "before a correlation stand the rules that it counts", "each with `logsource:`")
                continue
            judge = self._rule(document.value, alone=False, silent=True)
            if judge:
                bases[judge.policy.name] = judge
                bases[str(document.value.get("id", judge.policy.name))] = judge
        return bases

    def _shape(self, model: type[File], value: Mapping[str, object]) -> File | None:
        self._shaped = Shaped(None, {})
        self._shaped = shaped(model, value, self._path.stem, self._complain)
        if self._shaped.file is None:
            self._note(value)
        return self._shaped.file

    def _note(self, value: Mapping[str, object]) -> None:
        """Remember name and parameters of a policy that cannot be used: who refers to them makes no mistake."""
        declared = value.get("params")
        self._built.names.setdefault(str(value.get("name", self._path.stem)), [])
        self._built.declared.update(declared if isinstance(declared, Mapping) else ())

    def _sigma(self, kind: type[SigmaRule] | type[SigmaCorrelationRule]) -> None:
        for key, message in not_sigma(kind, self._shaped.value):
            self._complain((key,), message)

    def _policy(
        self, file: PolicyFile, kind: str, tree: Mapping[str, object], name: str = ""
    ) -> tuple[Policy | None, dict[str, Any]]:
        """The policy without its detection, and its tree with the parameters in it."""
        name = name or file.name
        place = (str(self._path), *self._document.where(("name",)))
        self._built.names.setdefault(name, []).append(place)
        self._built.declared.update(file.params)
        values = self._values(name, file.params)
        conventions = self._conventions(file)
        conventions.sound_params()
        if kind != EVENT or is_ours(file):
            conventions.params_used(tree)
        for framework, control, hint in unknown_controls(file.controls):
            self._complain(("controls", framework, control), f"{framework} has no control `{control}`", hint)
        substitution = parameters.Substitution(values, self._complain, marked=kind == EVENT)
        replaced = {key: substitution.of(value, (key,)) for key, value in tree.items()}
        unusable = parameters.unusable(file.params).keys()
        unusable_at = {place for place, params in substitution.uses.items() if params & unusable}
        self._shaped = replace(self._shaped, places=self._shaped.places | substitution.refused | unusable_at)
        self._uses = {
            used: setting
            for used, params in substitution.uses.items()
            for param in params
            if (setting := self._settings.place_of(name, param))
        }
        override = self._settings.overrides.get(name)
        examples = examples_of(file.examples, kind, self._document, self._complain, self._shaped.places)
        policy = Policy(
            name=name,
            title=file.title,
            kind=kind,
            level=(override.level if override and override.level else file.level),
            description=file.description,
            remediation=file.remediation,
            message=file.message,
            status=file.status,
            tags=tuple(file.tags),
            references=tuple(file.references),
            controls={framework: dict(ids) for framework, ids in file.controls.items()},
            params=values,
            examples=examples,
            path=str(self._path),
            ours=is_ours(file),
            digest=_digest([document.value for document in self._documents], values),
            judgement=_digest([_deciding(document.value) for document in self._documents], values),
        )
        return policy, replaced

    def _values(self, name: str, declared: Mapping[str, object]) -> Mapping[str, object]:
        """The values of the parameters that are in force."""
        self._uses = {}
        values, wrong = parameters.in_force(name, declared, self._settings.params, self._settings.own(name))
        for param, message, hint in wrong:
            place = self._settings.place_of(name, param)
            if place:
                self._built.unsettled.setdefault(place, self._settings.tell(place, message, hint))
        return values

    def _conventions(self, file: PolicyFile) -> Conventions:
        return Conventions(file, self._shaped.spoilt, self._complain)

    def _detection(self, tree: Mapping[str, object], words: Vocabulary) -> Detection | None:
        return parse_detection(tree, words, self._complain)

    def _applies(self, tree: object, words: Vocabulary) -> Selection | None:
        if tree is None:
            return None
        return parse_selection("applies_to", tree, ("applies_to",), words, self._complain)

    def _allowed(self, tree: object) -> Allowed:
        """How many may match, by default none; complains of what is no such thing."""
        if tree is None:
            return Allowed()
        found: AllowedFile | None = checked(AllowedFile, tree, ("allowed",), self._complain)
        return Allowed(found.min, found.max) if found else Allowed()

    def _message(self, file: PolicyFile, fields: frozenset[str] | None) -> Message | None:
        """The compiled message; `fields` None where any field may occur."""
        message: Message | None = None
        names: frozenset[str] = frozenset()
        try:
            message = Message(file.message)
            names = message.names
        except NoFilter as error:
            self._complain(("message",), str(error), error.hint)
            names = error.names
        except ValueError as error:
            self._complain(("message",), str(error))
        if fields is not None:
            known = fields | frozenset(file.params) | IN_EVERY_MESSAGE
            for name in sorted(names - known):
                hint = did_you_mean(name, tuple(known), "fields")
                self._complain(("message",), f"the message names the unknown field `{name}`", hint)
        return message

    def _enabled(self, name: str) -> bool:
        override = self._settings.overrides.get(name)
        return override is None or override.enabled


def _applies(selection: Selection | None) -> tuple[Asked | None, frozenset[str], Selection | None]:
    if selection is None:
        return None, frozenset(), None
    return compile_selection(selection), fields_read(selection), selection


def _meant(value: Mapping[str, object]) -> str:
    """What a policy says of what it is about, and which key was probably meant to."""
    words = [key for key in value if len(key) <= _LONGEST_KEY]
    for key in ("resource", "logsource"):
        close = difflib.get_close_matches(key, words, n=1)
        if close:
            return f"write `{key}` for `{close[0]}`"
    return "write `resource: user`, for example, or `logsource: {product: openai, service: audit}`"


_DECIDES = frozenset({"resource", "logsource", "applies_to", "detection", "allowed", "correlation", "generate"})


def _deciding(document: object) -> object:
    return {key: document[key] for key in _DECIDES & document.keys()} if isinstance(document, Mapping) else document


def _digest(documents: Sequence[object], values: Mapping[str, object]) -> str:
    content = json.dumps([documents, dict(values)], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()
