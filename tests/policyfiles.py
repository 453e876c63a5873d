"""Policies written into files of a test's own folder, and records to judge by them."""

from collections.abc import Mapping
from pathlib import Path

from auditor.config import Override
from auditor.errors import Fault, FaultyFiles
from auditor.inventory.model import Collection, Gap, Record, Snapshot
from auditor.policy.evaluate import evaluate
from auditor.policy.load import PolicySet, load
from auditor.policy.model import PolicyResult
from auditor.terms import Status

NOW = 1_767_225_600
"""2026-01-01T00:00:00Z."""
DAY = 86_400

STATE = """\
title: A policy
name: policy
resource: project_api_key
level: high
description: Why it matters.
remediation: What to do.
examples:
  - {name: bad, expect: fail, resource: {name: bad}}
  - {name: good, expect: pass, resource: {name: good}}
"""
"""Everything a state policy needs except `detection`."""
RULE = """\
title: A rule
id: 0aff2549-c559-4701-829d-281960e8cda8
name: rule
level: high
logsource: {product: openai, service: audit}
"""
"""Everything an event rule needs except `detection`."""


def written(folder: Path, text: str, name: str = "policy.yaml") -> str:
    """The path of a file that holds `text`."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def loaded(
    folder: Path,
    text: str,
    name: str = "policy.yaml",
    params: Mapping[str, object] | None = None,
    overrides: Mapping[str, Override] | None = None,
) -> PolicySet:
    """The policies of one file."""
    return load([written(folder, text, name)], params or {}, overrides or {})


def faults(folder: Path, text: str, name: str = "policy.yaml") -> tuple[Fault, ...]:
    """What is wrong with a file; nothing when it loads."""
    try:
        loaded(folder, text, name)
    except FaultyFiles as error:
        return error.faults
    return ()


def state(detection: str, **keys: str) -> str:
    """A state policy with this `detection`; `keys` replace or add whole lines."""
    lines = {line.split(":")[0]: line for line in STATE.splitlines() if not line.startswith(" ")}
    body = STATE
    for key, value in keys.items():
        body = body.replace(lines[key], f"{key}: {value}") if key in lines else f"{body}{key}: {value}\n"
    return f"{body}detection: {detection}\n"


def key(name: str, /, **fields: object) -> Record:
    """A project API key with these fields; `owner__name` stands for `owner.name`."""
    flat = {"name": name} | {field.replace("__", "."): value for field, value in fields.items()}
    return Record("project_api_key", ("proj_1", name), flat)


def event(name: str, kind: str, at: int = NOW, **fields: object) -> Record:
    """An audit event with these fields."""
    flat = {field.replace("__", "."): value for field, value in fields.items()}
    return Record("audit_event", (name,), {"id": name, "type": kind, "effective_at": at, **flat})


def gap(kind: str = "project_api_key", *scope: str) -> Gap:
    """A collection that was refused."""
    return Gap(kind, scope, Status.REFUSED, "403: missing scope")


def judged(policies: PolicySet, *records: Record, gaps: tuple[Gap, ...] = (), unseen: str = "") -> PolicyResult:
    """What the only policy of a set says of these project API keys."""
    collection = Collection("project_api_key", records, gaps, unseen)
    (result,) = evaluate(policies, Snapshot("acme", NOW, {"project_api_key": collection}), NOW)
    return result
