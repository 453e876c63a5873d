"""Writing the weekly report: once a period, whole or not at all, old ones pruned, and the sinks told."""

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from auditor import clock
from auditor.alerts import notices
from auditor.alerts.outgoing import queue
from auditor.config import Findings
from auditor.errors import StoreError
from auditor.jobs.context import Audit
from auditor.log import get
from auditor.policy.model import Policy
from auditor.reporting.build import build
from auditor.reporting.render import render_report
from auditor.store import findings, reports, work
from auditor.store.database import Store
from auditor.terms import Level

log = get(__name__)

WEEK = 7 * 86_400


@dataclass(frozen=True)
class Written:
    """Where a report is, and the hash that proves it unchanged."""

    path: Path
    sha256: str


async def weekly(audit: Audit, now: int) -> Written:
    """Write the report of the week up to `now` (Unix seconds) into the report directory and queue the messages.

    Raises StoreError when the directory or the store cannot be written.
    """
    return await asyncio.to_thread(_weekly, audit, now)


def _weekly(audit: Audit, now: int) -> Written:
    period = clock.from_epoch(now).astimezone(ZoneInfo(audit.timezone)).strftime("%G-W%V")
    folder = audit.report_directory / _file_name(audit.organization)
    path = folder / f"{period}.html"
    written = write(audit.store, audit.organization, audit.policies.by_name, audit.rules, path, now)
    with audit.store.transaction() as tx:
        if audit.lease:
            work.verify(tx, audit.lease)
        reports.add(tx, audit.organization, period, now, str(written.path), written.sha256)
        levels = [finding.level for finding in findings.active(tx, audit.organization).values()]
        counts = {level.value: levels.count(level) for level in reversed(Level) if level in levels}
        facts = (("File", str(written.path)), ("SHA-256", written.sha256))
        queue(
            tx, notices.report_ready(audit.organization, period, counts, now, facts, audit.link), audit.report_to, now
        )
    _prune(folder, audit.reports_kept)
    log.info("report.written", organization=audit.organization, path=str(written.path))
    return written


def write(
    store: Store, organization: str, policies: Mapping[str, Policy], rules: Findings, path: Path, now: int
) -> Written:
    """Write the report of the week up to `now` (Unix seconds) to `path`, replacing what is there in one step."""
    report = build(store, organization, policies, rules, start=now - WEEK, now=now)
    text = render_report(report).encode()
    replace_file(path, text)
    return Written(path, hashlib.sha256(text).hexdigest())


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` so that a reader sees the old file or the new one, and a full disk leaves the old one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                temporary.replace(path)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror}", hint="check the directory, its owner and the free space"
        ) from error


def _file_name(organization: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", organization).lstrip(".") or "organization"


def _prune(folder: Path, keep: int) -> None:
    for old in sorted(folder.glob("*-W*.html"))[:-keep]:
        old.unlink(missing_ok=True)
    # Left by a process that was killed while it wrote; nobody else writes here while this one has the lease.
    for half in folder.glob(".*-W*.html.*"):
        half.unlink(missing_ok=True)
