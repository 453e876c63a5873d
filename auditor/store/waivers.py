"""Waivers of the store and what is known of those of the file; which finding each was applied to, on which facts."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Row, func, select, update

from auditor.findings.matcher import Matcher
from auditor.findings.waiverbook import Known
from auditor.findings.waivers import Origin, Use, Uses, Waiver
from auditor.store.database import Transaction, slices
from auditor.store.tables import findings, waiver_uses, waivers
from auditor.terms import Level, State


def listing(tx: Transaction, organization: str) -> list[Known]:
    """Every waiver that is or was known of the organization, by id."""
    query = select(waivers).where(waivers.c.organization == organization).order_by(waivers.c.id)
    return [_known(row) for row in tx.execute(query)]


def stored(tx: Transaction, organization: str) -> list[Waiver]:
    """The waivers that were written into the store, those that are over too, by id."""
    return [each.waiver for each in listing(tx, organization) if each.waiver.origin is Origin.STORE]


def write(tx: Transaction, organization: str, waiver: Waiver, now: int) -> None:
    """Keep a waiver, in place of the one with its id; since when it is known and what it matched stays."""
    row = {"organization": organization, "id": waiver.id, "origin": waiver.origin, "body": waiver}
    tx.add_new(waivers, [row | {"known_at": now, "matches": 0}])
    place = (waivers.c.organization == organization, waivers.c.id == waiver.id)
    tx.execute(update(waivers).where(*place).values(origin=waiver.origin, body=waiver, gone_at=None))


def note_file(tx: Transaction, organization: str, found: Sequence[Waiver], now: int) -> None:
    """Remember the waivers of the file, and when one was gone from it."""
    before = {each.waiver.id: each for each in listing(tx, organization) if each.waiver.origin is Origin.FILE}
    for waiver in found:
        known = before.pop(waiver.id, None)
        if known is None or known.waiver != waiver or known.gone_at is not None:
            write(tx, organization, waiver, now)
    gone = [each.waiver.id for each in before.values() if each.gone_at is None]
    if gone:
        place = (waivers.c.organization == organization, waivers.c.id.in_(gone))
        tx.execute(update(waivers).where(*place).values(gone_at=now, matches=0))


def note_matches(tx: Transaction, organization: str, matched: Mapping[str, int], now: int) -> None:
    """Remember how many findings each waiver matched in a pass; of those not named, none."""
    mine = waivers.c.organization == organization
    tx.execute(update(waivers).where(mine, waivers.c.id.not_in(list(matched))).values(matches=0))
    for id_, number in matched.items():
        note_match(tx, organization, id_, number, now)


def note_match(tx: Transaction, organization: str, id_: str, number: int, now: int) -> None:
    """Remember how many findings one waiver matches."""
    seen = {"matched_at": now} if number else {}
    place = (waivers.c.organization == organization, waivers.c.id == id_)
    tx.execute(update(waivers).where(*place).values(matches=number, **seen))


def voids(tx: Transaction, organization: str) -> dict[str, int]:
    """For how many findings that still stand each waiver is void, by id."""
    query = (
        select(waiver_uses.c.waiver, func.count().label("number"))
        .join_from(waiver_uses, findings)
        .where(
            waiver_uses.c.organization == organization,
            waiver_uses.c.void_at.is_not(None),
            findings.c.state != State.RESOLVED,
        )
        .group_by(waiver_uses.c.waiver)
    )
    return {row.waiver: row.number for row in tx.execute(query)}


def uses(tx: Transaction, organization: str, ids: Iterable[str]) -> Uses:
    """On which facts the waivers `ids` were applied."""
    found: dict[tuple[str, str], Use] = {}
    for some in slices(sorted(set(ids))):
        query = select(waiver_uses).where(waiver_uses.c.organization == organization, waiver_uses.c.waiver.in_(some))
        found.update(((row.waiver, row.finding), _use(row)) for row in tx.execute(query))
    return found


def save_uses(tx: Transaction, organization: str, changed: Collection[Use]) -> None:
    """Write uses, each in place of the one of its waiver and finding. The findings must have been saved before."""
    rows: list[dict[str, object]] = [
        {
            "organization": organization,
            "waiver": use.waiver,
            "finding": use.finding,
            "granted": use.grant,
            "facts": use.facts,
            "at": use.at,
            "void_at": use.void_at,
            "why": use.why,
        }
        for use in changed
    ]
    for some in slices(rows):
        tx.put(waiver_uses, some)


def _known(row: Row[Any]) -> Known:
    return Known(_waiver(row.body), row.known_at, row.gone_at, row.matched_at, row.matches)


def _waiver(body: Mapping[str, Any]) -> Waiver:
    match = {each.name: tuple(body["match"][each.name]) for each in fields(Matcher)}
    match["level"] = tuple(Level(each) for each in match["level"])
    pinned = body["pinned"]
    return Waiver(
        **{
            **body,
            "match": Matcher(**match),
            "pinned": pinned if isinstance(pinned, Mapping) else tuple(pinned),
            "origin": Origin(body["origin"]),
        }
    )


def _use(row: Row[Any]) -> Use:
    return Use(row.waiver, row.finding, row.granted, row.facts, row.at, row.void_at, row.why)
