"""What keys and projects use and cost: one compressed row for each day and report, the newest reading of it."""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict

import msgspec
from sqlalchemy import select

from auditor.inventory.usage import Reading, UsedDay
from auditor.store import organizations
from auditor.store.database import Transaction, slices
from auditor.store.tables import storable, usage_days, usage_names, usage_readings
from auditor.terms import Status


class _Body(msgspec.Struct, array_like=True):
    """A day by columns: sorted numbers and alike amounts stand beside each other, and take a third of the space."""

    measures: tuple[str, ...]
    currency: str
    projects: list[int]
    keys: list[int]
    models: list[int]
    """Numbers of names, 0 for none."""
    amounts: list[list[float]]
    """A column for each measure."""


_decode = msgspec.json.Decoder(_Body).decode


def readings(tx: Transaction, organization: str) -> dict[str, Reading]:
    """How the reading of each report stands, by its name; without those that were never tried."""
    columns = (column for column in usage_readings.columns if column.name != "organization")
    query = select(*columns).where(usage_readings.c.organization == organization)
    rows = ({**row, "status": Status(row["status"])} for row in tx.execute(query).mappings())
    return {row["report"]: Reading(**row) for row in rows}


def note(tx: Transaction, organization: str, reading: Reading) -> None:
    """Replace how the reading of a report stands."""
    tx.put(usage_readings, [{"organization": organization, **asdict(reading)}])


def read_days(tx: Transaction, organization: str, report: str, since: int) -> dict[int, int]:
    """The stored days of a report from the day `since` on, with the Unix second at which each was read."""
    table = usage_days.c
    query = select(table.day, table.read_at).where(
        table.organization == organization, table.report == report, table.day >= since
    )
    return {row.day: row.read_at for row in tx.execute(query)}


def put(tx: Transaction, organization: str, days: Sequence[UsedDay], read_at: int) -> None:
    """Store days, each in place of what was read of it before (Unix second `read_at`)."""
    # Two readings must not give one number to two names.
    organizations.hold(tx, organization)
    numbers = _numbers(tx, organization, {name for day in days for name in _names(day)})
    rows: list[dict[str, object]] = [
        {
            "organization": organization,
            "day": day.day,
            "report": day.report,
            "read_at": read_at,
            "body": zlib.compress(msgspec.json.encode(_packed(day, numbers)), level=9),
        }
        for day in days
    ]
    for some in slices(rows, 500):
        tx.put(usage_days, some)


def days(tx: Transaction, organization: str, since: int, until: int | None = None) -> Iterator[UsedDay]:
    """Every stored day of every report from the day `since` on, oldest first; read row by row.

    With `until`, no later day than that.
    """
    names = _known(tx, organization)
    table = usage_days.c
    query = (
        select(table.report, table.day, table.body)
        .where(table.organization == organization, table.day >= since)
        .order_by(table.day, table.report)
    )
    if until is not None:
        query = query.where(table.day <= until)
    for row in tx.execute(query):
        yield _unpacked(row.report, row.day, _decode(zlib.decompress(row.body)), names)


def _names(day: UsedDay) -> Iterator[str]:
    return (storable(name) for group in day.uses for name in group if name is not None)


def _known(tx: Transaction, organization: str) -> dict[int, str | None]:
    table = usage_names.c
    query = select(table.number, table.name).where(table.organization == organization)
    return {0: None} | {row.number: row.name for row in tx.execute(query)}


def _numbers(tx: Transaction, organization: str, wanted: Iterable[str]) -> Mapping[str | None, int]:
    """The numbers of all names, those that are new among `wanted` included."""
    numbers = {name: number for number, name in _known(tx, organization).items()}
    new = sorted(set(wanted) - numbers.keys())
    added = {name: len(numbers) + place for place, name in enumerate(new)}
    rows: list[dict[str, object]] = [
        {"organization": organization, "number": number, "name": name} for name, number in added.items()
    ]
    for some in slices(rows):
        tx.add_new(usage_names, some)
    return numbers | added


def _packed(day: UsedDay, numbers: Mapping[str | None, int]) -> _Body:
    def number(name: str | None) -> int:
        return numbers[None if name is None else storable(name)]

    rows = sorted((tuple(map(number, group)), amounts) for group, amounts in day.uses.items())
    projects, keys, models = ([group[place] for group, _ in rows] for place in range(3))
    amounts = [[row[place] for _, row in rows] for place in range(len(day.measures))]
    return _Body(day.measures, day.currency, projects, keys, models, amounts)


def _unpacked(report: str, day: int, body: _Body, names: Mapping[int, str | None]) -> UsedDay:
    projects, keys, models = (map(names.__getitem__, numbers) for numbers in (body.projects, body.keys, body.models))
    groups = zip(projects, keys, models, strict=True)
    amounts = zip(*body.amounts, strict=True)
    return UsedDay(report, day, body.measures, body.currency, dict(zip(groups, amounts, strict=True)))
