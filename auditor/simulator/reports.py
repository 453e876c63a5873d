"""Which usage and cost reports there are: how each may be filtered and grouped, and what it measures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Report:
    """One report."""

    kind: str
    path: str
    result: str
    """`object` of its results."""
    measures: Callable[[int, Sequence[str]], Mapping[str, object]]
    """What it shows of an amount of use, given the groups asked for."""
    groups: tuple[str, ...]
    filters: tuple[str, ...]
    constants: Mapping[str, str | bool | None] = field(default_factory=dict)
    """Dimensions that are the same for all use here."""
    everywhere: bool = False
    """Whether every used key shows up."""


_BY_KEY = ("project_id", "user_id", "api_key_id")
_BY_MODEL = (*_BY_KEY, "model")
_KEYS = ("project_ids", "user_ids", "api_key_ids")
_MODELS = (*_KEYS, "models")

DIMENSION_OF: Mapping[str, str] = {
    "project_ids": "project_id",
    "user_ids": "user_id",
    "api_key_ids": "api_key_id",
    "models": "model",
    "batch": "batch",
    "sizes": "size",
    "sources": "source",
    "vector_store_ids": "vector_store_id",
    "context_levels": "context_level",
    "line_items": "line_item",
}
"""Which dimension a filter looks at."""


def _tokens(amount: int, groups: Sequence[str]) -> Mapping[str, object]:
    """Input is three quarters uncached text and one quarter cached text."""
    return {
        "input_tokens": 400 * amount,
        "output_tokens": 90 * amount,
        "num_model_requests": amount,
        "input_cached_tokens": 100 * amount,
        "input_uncached_tokens": 300 * amount,
        "input_text_tokens": 300 * amount,
        "input_audio_tokens": 0,
        "input_image_tokens": 0,
        "input_cached_text_tokens": 100 * amount,
        "input_cached_audio_tokens": 0,
        "input_cached_image_tokens": 0,
        "input_cache_write_tokens": 0,
        "output_text_tokens": 90 * amount,
        "output_audio_tokens": 0,
        "output_image_tokens": 0,
    }


def _cost(amount: int, groups: Sequence[str]) -> Mapping[str, object]:
    """Money in dollars; a quantity only when line items are told apart."""
    itemized = "line_item" in groups
    return {
        "amount": {"value": round(amount * 0.0037, 6), "currency": "usd"},
        "quantity": float(400 * amount) if itemized else None,
        "quantity_unit": "tokens" if itemized else None,
    }


def _counted(**factors: int) -> Callable[[int, Sequence[str]], Mapping[str, object]]:
    return lambda amount, groups: {name: factor * amount for name, factor in factors.items()}


def _usage(
    name: str,
    measures: Callable[[int, Sequence[str]], Mapping[str, object]],
    groups: tuple[str, ...] = _BY_MODEL,
    filters: tuple[str, ...] = _MODELS,
    *,
    result: str = "",
    everywhere: bool = False,
    constants: Mapping[str, str | bool | None] = MappingProxyType({}),
) -> Report:
    return Report(
        kind=f"usage_{name}",
        path=f"/organization/usage/{name}",
        result=f"organization.usage.{result or name}.result",
        measures=measures,
        groups=groups,
        filters=filters,
        constants=constants,
        everywhere=everywhere,
    )


_TEXT_GROUPS = (*_BY_MODEL, "batch", "service_tier", "api_source")
_TEXT: Mapping[str, str | bool | None] = {"batch": False, "service_tier": "default", "api_source": "unlabeled"}

COSTS = Report(
    kind="cost",
    path="/organization/costs",
    result="organization.costs.result",
    measures=_cost,
    groups=(*_BY_KEY, "line_item", "api_source"),
    filters=("project_ids", "api_key_ids", "line_items"),
    constants={"api_source": "unlabeled"},
    everywhere=True,
)

REPORTS: tuple[Report, ...] = (
    _usage("completions", _tokens, _TEXT_GROUPS, (*_MODELS, "batch"), everywhere=True, constants=_TEXT),
    _usage("decisions", _tokens, _TEXT_GROUPS, (*_MODELS, "batch"), constants=_TEXT),
    _usage("embeddings", _counted(input_tokens=800, num_model_requests=1)),
    _usage("moderations", _counted(input_tokens=60, num_model_requests=1)),
    _usage(
        "images",
        _counted(images=1, num_model_requests=1),
        (*_BY_MODEL, "size", "source"),
        (*_MODELS, "sizes", "sources"),
        constants={"size": "1024x1024", "source": "image.generation"},
    ),
    _usage("audio_speeches", _counted(characters=500, num_model_requests=1)),
    _usage("audio_transcriptions", _counted(seconds=30, num_model_requests=1)),
    _usage("vector_stores", _counted(usage_bytes=4096), ("project_id",), ("project_ids",)),
    _usage("code_interpreter_sessions", _counted(num_sessions=1), ("project_id",), ("project_ids",)),
    _usage(
        "file_search_calls",
        _counted(num_requests=1),
        (*_BY_KEY, "vector_store_id"),
        (*_KEYS, "vector_store_ids"),
        result="file_searches",
        constants={"vector_store_id": "vs_1"},
    ),
    _usage(
        "web_search_calls",
        _counted(num_requests=1, num_model_requests=1),
        (*_BY_MODEL, "context_level", "api_source"),
        (*_MODELS, "context_levels"),
        result="web_searches",
        constants={"context_level": "medium", "api_source": "unlabeled"},
    ),
    COSTS,
)
