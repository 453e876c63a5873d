"""REPORTS: the usage and cost reports, how each tells keys, projects and models apart, and what it measures.

Nothing else in the project knows a path of theirs. A new report is one entry here.
Source of the facts: the API reference of usage and costs (platform.openai.com/docs/api-reference/usage).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

DAY = 86_400
"""Seconds of a bucket; the API's days are those of UTC."""
LATE = 2
"""Whole days after its end in which a day is read again: how late use is reported is documented nowhere."""
PAGE = 7
"""Days that are asked for at once. A day has a result for each key that was in use, and a body has a cap."""

REQUESTS, TOKENS, COST = "requests", "tokens", "cost"
CURRENCY = "currency"


@dataclass(frozen=True, slots=True)
class Report:
    """One report."""

    name: str
    """As the ledger names it, beside the kinds of resources."""
    path: str
    """Below the base URL."""
    groups: tuple[str, ...]
    """What its results are told apart by."""
    measures: Mapping[str, tuple[str, ...]]
    """What is kept of a result: our name to the fields of the body (dotted) that are added up for it."""
    days: int = 31
    """Whole days before today that are kept complete."""
    documented: frozenset[str] = frozenset()
    """Further fields of a result, which nothing here has a use for."""

    def tells(self, group: str) -> bool:
        """Whether its results say which key, project or model they are about."""
        return group in self.groups

    def calls(self, days: int) -> int:
        """How many calls it takes to read so many days and today."""
        return math.ceil((days + 1) / PAGE)


@dataclass(frozen=True, slots=True)
class Bucket:
    """What one day (UTC) has of a report: the bytes of its results."""

    day: int
    """Days since 1970-01-01."""
    results: tuple[bytes, ...]


_PROJECT = ("project_id",)
_KEY = (*_PROJECT, "api_key_id")
_MODEL = (*_KEY, "model")
_GROUPS = frozenset({*_MODEL, "user_id", "batch", "service_tier", "api_source", "object"})
_BREAKDOWN = frozenset(
    {f"input_{name}tokens" for name in ("text_", "audio_", "image_", "cached_", "uncached_", "cache_write_")}
    | {f"input_cached_{name}_tokens" for name in ("text", "audio", "image")}
    | {f"input_cache_write_{name}_tokens" for name in ("30m", "12h")}
    | {f"output_{name}_tokens" for name in ("text", "audio", "image")}
)
_MODEL_REQUESTS = {REQUESTS: ("num_model_requests",)}
_TEXT = {**_MODEL_REQUESTS, TOKENS: ("input_tokens", "output_tokens")}
_INPUT = {**_MODEL_REQUESTS, TOKENS: ("input_tokens",)}


def _usage(
    name: str, groups: tuple[str, ...], measures: Mapping[str, tuple[str, ...]], *others: str, breakdown: bool = False
) -> Report:
    documented = _GROUPS | {*others} | (_BREAKDOWN if breakdown else frozenset())
    return Report(f"usage_{name}", f"/organization/usage/{name}", groups, measures, documented=documented)


COSTS = Report(
    name=COST,
    path="/organization/costs",
    # Grouped by user_id as well, the API may answer 400.
    groups=_KEY,
    measures={COST: ("amount.value",)},
    days=91,
    documented=_GROUPS | {"amount", "line_item", "quantity", "quantity_unit"},
)
"""What is billed: the one report that is small enough to tell what nobody used for a quarter of a year."""

REPORTS: tuple[Report, ...] = (
    COSTS,
    _usage("completions", _MODEL, _TEXT, breakdown=True),
    _usage("decisions", _MODEL, _TEXT, breakdown=True),
    _usage("embeddings", _MODEL, _INPUT),
    _usage("moderations", _MODEL, _INPUT),
    _usage("images", _MODEL, {**_MODEL_REQUESTS, "images": ("images",)}, "size", "source"),
    _usage("audio_speeches", _MODEL, {**_MODEL_REQUESTS, "characters": ("characters",)}),
    _usage("audio_transcriptions", _MODEL, {**_MODEL_REQUESTS, "seconds": ("seconds",)}),
    _usage("vector_stores", _PROJECT, {"bytes": ("usage_bytes",)}),
    _usage("code_interpreter_sessions", _PROJECT, {"sessions": ("num_sessions",)}),
    _usage("file_search_calls", _KEY, {REQUESTS: ("num_requests",)}, "vector_store_id"),
    # Its requests to models are those that completions count, too.
    _usage("web_search_calls", _MODEL, {REQUESTS: ("num_requests",)}, "num_model_requests", "context_level"),
)

REPORT_BY_NAME: Mapping[str, Report] = {report.name: report for report in REPORTS}
