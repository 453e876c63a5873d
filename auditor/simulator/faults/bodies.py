"""Bodies that are not what they should be, as bytes."""

import gzip
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from auditor.simulator.faults.rules import Body

_MARK = "\ufdd0"
"""A character that stands in no name: what is put for it afterwards need not be JSON."""


def spoil(fault: Body, content: bytes) -> tuple[bytes, Mapping[str, str]]:
    """The bytes to send for the honest `content`, and headers that belong to them."""
    if fault.body in _PACKED:
        return _PACKED[fault.body](content, fault.size)
    if fault.body in _VALUES:
        return _with_value(content, _VALUES[fault.body], numeric=fault.body in _NUMERIC), {}
    if fault.body == "deep":
        return _with_value(content, b"[" * fault.depth + b"]" * fault.depth, numeric=False), {}
    return _WHOLE[fault.body](content), {}


_VALUES: Mapping[str, bytes] = {
    "invalid_utf8": b'"\xc3\x28\xff"',
    "lone_surrogate": b'"\\ud800"',
    "nan": b"NaN",
    "infinity": b"-Infinity",
    "huge_float": b"1e400",
    "big_integer": b"9223372036854775808",
    "duplicate_item_keys": b'"first","name":"a","name":"b"',
}
_NUMERIC = frozenset({"nan", "infinity", "huge_float", "big_integer"})


def _with_a_second_key(content: bytes) -> bytes:
    """The first key of the object once more at the end; of a list, an empty `data`: most parsers believe the last."""
    body = msgspec.json.decode(content)
    again = b'"data":[]' if "data" in body else msgspec.json.encode(next(iter(body))) + b":null"
    return content[:-1] + b"," + again + b"}"


_WHOLE: Mapping[str, Callable[[bytes], bytes]] = {
    "truncated": lambda content: content[: len(content) // 2],
    "trailing_junk": lambda content: content + b'{"data":[]}',
    "empty": lambda content: b"",
    "null": lambda content: b"null",
    "array": lambda content: b"[]",
    "html": lambda content: b"<!doctype html><title>502</title><h1>Bad gateway</h1>",
    "bom": lambda content: b"\xef\xbb\xbf" + content,
    "utf16": lambda content: content.decode().encode("utf-16"),
    "duplicate_keys": _with_a_second_key,
}


def _with_value(content: bytes, value: bytes, *, numeric: bool) -> bytes:
    """`value` in the place of a field of the first item, or of the object; a number where there is one."""
    body: dict[str, Any] = msgspec.json.decode(content)
    items = body.get("data")
    target = items[0] if isinstance(items, list) and items else body
    target[_field(target, numeric=numeric)] = _MARK
    return msgspec.json.encode(body).replace(msgspec.json.encode(_MARK), value, 1)


def _field(item: Mapping[str, Any], *, numeric: bool) -> str:
    wanted = int if numeric else str
    names = [name for name, value in item.items() if type(value) is wanted and name not in {"id", "group_id", "object"}]
    return names[0] if names else "type"


@lru_cache(8)
def _bomb(content: bytes, size: int) -> bytes:
    """Good JSON behind so many spaces, packed a thousandfold."""
    packer = zlib.compressobj(1, wbits=31)
    step = b" " * 1_048_576
    parts = [packer.compress(step[: min(len(step), size - at)]) for at in range(0, size, len(step))]
    return b"".join([*parts, packer.compress(content), packer.flush()])


_PACKED: Mapping[str, Callable[[bytes, int], tuple[bytes, Mapping[str, str]]]] = {
    "gzip_bomb": lambda content, size: (_bomb(content, size), {"content-encoding": "gzip"}),
    "gzip_cut": lambda content, size: (gzip.compress(content)[:-12], {"content-encoding": "gzip"}),
    "wrong_encoding": lambda content, size: (content, {"content-encoding": "gzip"}),
    "unknown_encoding": lambda content, size: (zlib.compress(content), {"content-encoding": "br"}),
    "wrong_type": lambda content, size: (content, {"content-type": "text/html"}),
    "oversized": lambda content, size: (content[:-1] + b" " * size + b"}", {}),
}
