"""How a pass and its findings look: a table for people, one JSON document for machines."""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from auditor import __version__, clock
from auditor.cli.moment import last
from auditor.inventory.model import Coverage, by_kind
from auditor.inventory.settingtypes import Standing
from auditor.inventory.usage import is_report
from auditor.policy.model import WHOLE, Verdict
from auditor.terms import Level, Outcome, Status

if TYPE_CHECKING:
    from auditor.jobs.snapshot import Taken
    from auditor.store.settings import SettingLine

T = TypeVar("T")

STYLES: Mapping[Level, str] = {
    Level.CRITICAL: "bold white on red",
    Level.HIGH: "bold red",
    Level.MEDIUM: "yellow",
    Level.LOW: "cyan",
    Level.INFORMATIONAL: "dim",
}


def check(taken: "Sequence[Taken]", form: str) -> None:
    """Print what a pass over one or more organizations found."""
    if form == "json":
        click.echo(json.dumps(document(taken), indent=2))
    else:
        _print(taken, console())


def document(taken: "Sequence[Taken]") -> dict[str, Any]:
    """The JSON document: `summary` counts policies, `findings` has one entry per failing policy and resource, and one
    per policy and gap, `coverage` one line per kind of resource, `settings` one per setting without an endpoint."""
    return {
        "schema_version": 1,
        "auditor": __version__,
        "organizations": [each.run.organization for each in taken],
        "taken_at": next(_iso(each.run.started_at) for each in taken),
        "summary": {
            outcome.value: sum(list(_outcomes(each).values()).count(outcome) for each in taken) for outcome in _ORDER
        },
        "policies": [
            {"organization": each.run.organization, "policy": policy, "level": levels[policy], "outcome": outcome}
            for each in taken
            for levels in [{line.policy: line.level for line in each.run.policies}]
            for policy, outcome in _outcomes(each).items()
        ],
        "findings": [
            _entry(each.run.organization, verdict) | {"waived": each.is_waived(verdict)}
            for each in taken
            for verdict in _verdicts(each)
        ],
        "coverage": [_coverage(each.run.organization, line, each) for each in taken for line in _ledger(each)],
        "settings": [_setting(each.run.organization, line) for each in taken for line in each.settings],
    }


_ORDER = (Outcome.PASS, Outcome.UNKNOWN, Outcome.FAIL)


def _outcomes(taken: "Taken") -> dict[str, Outcome]:
    """What each policy said in this pass, its worst word. The run counts occurrences of earlier passes, too."""
    outcomes: dict[str, Outcome] = {}
    for result in taken.results:
        outcomes[result.policy] = max(outcomes.get(result.policy, Outcome.PASS), result.outcome, key=_ORDER.index)
    return outcomes


def _ledger(taken: "Taken") -> Iterable[Coverage]:
    return by_kind(taken.run.coverage).values()


def _verdicts(taken: "Taken") -> list[Verdict]:
    """Worst first, failures before unknowns."""
    verdicts = [verdict for result in taken.results for verdict in result.verdicts]
    return sorted(verdicts, key=lambda v: (v.outcome is not Outcome.FAIL, -v.level.rank, v.policy, v.ids))


def _entry(organization: str, verdict: Verdict) -> dict[str, Any]:
    gap = verdict.gap
    return {
        "organization": organization,
        "policy": verdict.policy,
        "level": verdict.level,
        "outcome": verdict.outcome,
        "resource": {
            "type": verdict.kind,
            "id": verdict.ids[-1] if verdict.ids else "*",
            "name": verdict.name,
            "parents": list(verdict.ids[:-1]),
        },
        "message": verdict.message,
        "matched": list(verdict.matched),
        "gap": {
            "resource": gap.kind,
            "scope": list(gap.scope),
            "status": gap.status,
            "reason": gap.reason,
            "hint": gap.hint,
        }
        if gap
        else None,
    }


def _coverage(organization: str, line: Coverage, taken: "Taken") -> dict[str, Any]:
    gaps = [part.gap for part in taken.run.coverage if part.kind == line.kind and part.gap]
    return {
        "organization": organization,
        "resource": line.kind,
        "status": line.status,
        "pages": line.pages,
        "items": line.items,
        "seconds": round(line.seconds, 3),
        "surprises": dict(line.surprises),
        "read_at": _iso(line.read_at) if line.read_at is not None else None,
        "gaps": [{"scope": list(g.scope), "status": g.status, "reason": g.reason, "hint": g.hint} for g in gaps],
    }


def _setting(organization: str, line: "SettingLine") -> dict[str, Any]:
    return {
        "organization": organization,
        "setting": line.name,
        "value": line.value,
        "source": line.source,
        "since": _iso(line.since) if line.since is not None else None,
        "attestation": line.attestation or None,
        "by": line.by or None,
        "until": _iso(line.until) if line.until is not None else None,
    }


def _iso(seconds: int) -> str:
    return clock.from_epoch(seconds).isoformat().replace("+00:00", "Z")


def _print(taken: "Sequence[Taken]", out: Console) -> None:
    for each in taken:
        verdicts = _verdicts(each)
        if verdicts:
            out.print(verdict_table(verdicts, each.is_waived))
        print_gaps(each.run.coverage, out)
        for line in attested(each):
            out.print(line)
        out.print(headline(each))


def attested(taken: "Taken") -> Iterator[Text]:
    """Whose word was taken for what, and until when; and whose is worth nothing any more."""
    for line in taken.settings:
        if line.attestation and line.until is not None:
            void = line.attestation in {Standing.CONTRADICTED, Standing.EXPIRED}
            text = f"{line.name}: attested by {line.by} until {last(line.until)}, {line.attestation}"
            yield Text(plain(text), "yellow" if void else "dim")


def headline(taken: "Taken") -> Text:
    """The numbers of a pass in one line."""
    run, kinds = taken.run, len([kind for kind in by_kind(taken.run.coverage) if not is_report(kind)])
    outcomes = Counter(_outcomes(taken).values())
    return Text.assemble(
        (run.organization, "bold"),
        f": {run.resources} resources of {kinds} kinds read; policies: ",
        (f"{outcomes[Outcome.PASS]} passed", "green"),
        ", ",
        (f"{outcomes[Outcome.FAIL]} failed", "red" if outcomes[Outcome.FAIL] else ""),
        ", ",
        (f"{outcomes[Outcome.UNKNOWN]} unknown", "yellow" if outcomes[Outcome.UNKNOWN] else ""),
    )


_SHOWN = 5
"""Resources of one policy that a table names, and policies that it names beside one reason."""


def verdict_table(verdicts: Sequence[Verdict], is_waived: Callable[[Verdict], bool]) -> Table:
    """Some rows for each failing policy, and how many more there are; one row for each reason of what is unknown."""
    rows = table("level", "policy and resource", "message")
    for policy, failing in _together(verdicts, Outcome.FAIL, lambda each: each.policy).items():
        some, more = _cut(failing)
        for verdict in some:
            resource = verdict.ids[-1] if verdict.ids and verdict.ids != WHOLE else verdict.kind
            mark = Text(verdict.level, STYLES[verdict.level])
            if is_waived(verdict):
                mark.append("\nwaived", "dim")
            rows.add_row(mark, stacked(policy, resource), Text(plain(verdict.message)))
        if more:
            hint = f"and {more:,} more: `auditor findings list --policy {policy}`"
            rows.add_row(Text(""), Text(plain(policy)), Text(plain(hint), "dim"))
    for why, unknown in _together(verdicts, Outcome.UNKNOWN, lambda each: each.why).items():
        names, more = _cut(sorted({each.policy for each in unknown}))
        lines = [*map(plain, names), *([f"and {more} more policies"] if more else [])]
        rows.add_row(Text("unknown", "yellow"), Text("\n".join(lines)), Text(plain(why)))
    return rows


def _cut(items: Sequence[T]) -> tuple[Sequence[T], int]:
    """The first of them, and how many are left out; one alone never is, because saying so takes as much room."""
    shown = len(items) if len(items) <= _SHOWN + 1 else _SHOWN
    return items[:shown], len(items) - shown


def _together(
    verdicts: Iterable[Verdict], outcome: Outcome, by: Callable[[Verdict], str]
) -> Mapping[str, Sequence[Verdict]]:
    """The verdicts of one outcome that have something in common, in their order."""
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.outcome is outcome:
            found.setdefault(by(verdict), []).append(verdict)
    return found


def stacked(name: str, detail: str) -> Text:
    """Two lines in one cell: what it is called, and below it the detail that a narrow terminal has no column for."""
    return Text.assemble(plain(name), "\n", (plain(detail), "dim"))


def print_gaps(coverage: Iterable[Coverage], out: Console) -> None:
    """Say what could not be seen: a reader must never take silence for health."""
    gaps = [line.gap for line in coverage if line.gap and line.status is not Status.COMPLETE]
    for gap in gaps[:20]:
        place = f"{gap.kind} {'/'.join(gap.scope)}".strip()
        out.print(Text.assemble((f"{gap.status}: ", "bold yellow"), plain(f"{place}: {gap.reason}")))
        if gap.hint:
            out.print(Text(f"         {plain(gap.hint)}", "dim"))
    if len(gaps) > 20:
        out.print(Text(f"... and {len(gaps) - 20} more gaps", "yellow"))


def plain(text: str) -> str:
    """`text` without characters that drive a terminal or reorder what it shows; names come from strangers."""
    return "".join(each if each.isprintable() else "�" for each in text)


def console() -> Console:
    """Standard output: as wide as the terminal, or wide enough for a log where there is none."""
    return _Console() if sys.stdout.isatty() or "COLUMNS" in os.environ else _Console(width=160)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to whoever runs the command; rich would end the process as for an error."""
        raise BrokenPipeError


def table(*columns: str) -> Table:
    """An empty table; levels and days are not broken."""
    empty = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in columns:
        empty.add_column(column, overflow="fold", no_wrap=column in {"level", "since"})
    return empty
