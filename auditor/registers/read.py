"""Reading a register: CSV or YAML, bounded, every fault of the file with its line."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from auditor.errors import Fault, FaultyFiles, did_you_mean
from auditor.registers.cells import Wrong, value_of
from auditor.registers.table import REGISTERS, Register, Row
from auditor.yamlfile import load as load_yaml

MAX_BYTES = 16_000_000
MAX_ROWS = 100_000
MAX_FAULTS = 50
"""Faults that are told of one file; a wrong separator would otherwise fill the terminal."""

_Raw = tuple[int, dict[str, object]]
"""Line, and column to what stands there."""


def read(name: str, path: Path) -> tuple[Row, ...]:
    """The rows of the register `name` in `path`, in the order of the file. Raises FaultyFiles."""
    text = _text(path)
    register = REGISTERS[name]
    faults: list[Fault] = []
    rows: list[tuple[int, Row]] = []
    for line, cells in _rows(register, path, text):
        row = _row(register, path, line, cells, faults)
        if row is not None:
            rows.append((line, row))
    faults += _doubles(register, path, rows)
    if faults:
        more = len(faults) - MAX_FAULTS
        told = faults[:MAX_FAULTS] + ([Fault(str(path), 0, 0, f"and {more} faults more")] if more > 0 else [])
        raise FaultyFiles(told)
    return tuple(row for _, row in rows)


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise _faulty(path, 0, "there is no such file", "paths of registers are relative to the configuration")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _faulty(path, 0, f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise _faulty(path, 0, f"is larger than {MAX_BYTES // 1_000_000} MB", "leave out what is long over")
    try:
        # Spreadsheets begin a file in UTF-8 with a mark.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _faulty(path, line, "is not UTF-8 text", "save it as `CSV UTF-8`") from error


def _rows(register: Register, path: Path, text: str) -> Iterator[_Raw]:
    readers = {".csv": _csv_rows, ".yaml": _yaml_rows, ".yml": _yaml_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise _faulty(path, 0, "is neither CSV nor YAML", f"its name ends in one of {', '.join(readers)}")
    for count, raw in enumerate(reader(register, path, text), start=1):
        if count > MAX_ROWS:
            raise _faulty(path, raw[0], f"has more than {MAX_ROWS:,} rows", "leave out what is long over")
        yield raw


def _csv_rows(register: Register, path: Path, text: str) -> Iterator[_Raw]:
    first = text.split("\n", 1)[0]
    # Where the comma parts decimals, spreadsheets write semicolons.
    separator = ";" if ";" in first and "," not in first else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _header(register, path, reader.line_num, cells)
            elif len(cells) != len(header):
                count = f"{len(cells)} cell{'s' if len(cells) > 1 else ''}"
                hint = "put a cell that holds the separator into quotes"
                raise _faulty(path, reader.line_num, f"has {count}, and the header {len(header)}", hint)
            else:
                yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise _faulty(
            path, reader.line_num, f"is not CSV: {error}", "quotes must be closed, and no cell be huge"
        ) from None
    if header is None:
        raise _faulty(path, 0, "is empty", f"its first line names the columns: {', '.join(register.columns)}")


def _header(register: Register, path: Path, line: int, cells: list[str]) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    faults = [
        Fault(str(path), line, 1, f"there is no column `{name[:60]}`", did_you_mean(name, register.columns, "columns"))
        for name in names
        if name not in register.columns
    ]
    faults += [Fault(str(path), line, 1, f"the column `{name}` stands here twice") for name in _twice(names)]
    faults += [
        Fault(str(path), line, 1, f"the column `{name}` is missing", f"columns: {', '.join(register.columns)}")
        for name, column in register.columns.items()
        if column.required and name not in names
    ]
    if faults:
        raise FaultyFiles(faults[:MAX_FAULTS])
    return names


def _twice(names: list[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]


def _yaml_rows(register: Register, path: Path, text: str) -> Iterator[_Raw]:
    documents = load_yaml(text, str(path))
    value = documents[0].value if len(documents) == 1 else None
    if not isinstance(value, list):
        raise _faulty(path, 0, "is no list of entries", f"each is a mapping with {', '.join(register.columns)}")
    for index, entry in enumerate(value):
        line, _ = documents[0].where((index,))
        if not isinstance(entry, dict):
            raise _faulty(path, line, "is no mapping", f"an entry has {', '.join(register.columns)}")
        yield line, entry


def _row(register: Register, path: Path, line: int, cells: dict[str, object], faults: list[Fault]) -> Row | None:
    """The row, or None after adding what is wrong with it to `faults`."""
    before = len(faults)
    row: dict[str, object] = {}
    for name, cell in cells.items():
        column = register.columns.get(name)
        if column is None:
            hint = did_you_mean(name, register.columns, "keys")
            faults.append(Fault(str(path), line, 1, f"there is no key `{name[:60]}`", hint))
            continue
        try:
            value = value_of(column, cell)
        except Wrong as error:
            faults.append(Fault(str(path), line, 1, f"`{name}` {error}", error.hint))
            continue
        if value is not None:
            row[name] = value
        elif column.required:
            faults.append(Fault(str(path), line, 1, f"`{name}` is empty"))
    missing = [name for name, column in register.columns.items() if column.required and name not in cells]
    faults += [Fault(str(path), line, 1, f"`{name}` is missing") for name in missing]
    if len(faults) == before and _is_backwards(register, row):
        faults.append(Fault(str(path), line, 1, "ends before it begins"))
    return row if len(faults) == before else None


def _is_backwards(register: Register, row: Row) -> bool:
    if register.span is None:
        return False
    start, end = (row.get(name) for name in register.span)
    return isinstance(start, int) and isinstance(end, int) and end < start


def _doubles(register: Register, path: Path, rows: list[tuple[int, Row]]) -> Iterator[Fault]:
    seen: dict[tuple[object, ...], int] = {}
    for line, row in rows:
        key = tuple(row.get(name) for name in register.key)
        if register.key and key in seen:
            names = " and ".join(register.key)
            yield Fault(str(path), line, 1, f"the same {names} stands in line {seen[key]}", "keep one of them")
        seen.setdefault(key, line)


def _faulty(path: Path, line: int, message: str, hint: str = "") -> FaultyFiles:
    return FaultyFiles([Fault(str(path), line, int(line > 0), message, hint)])
