"""Structured logs: an event name and keys, on stderr, redacted. JSON unless a person is watching."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import stamina
import structlog

from auditor.redaction import redact

Format = Literal["auto", "json", "console"]


def configure(level: str = "info", form: Format = "auto") -> None:
    """Set up logging for the whole process. Libraries stay at WARNING: they know nothing that an operator needs."""
    as_json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    # Tracebacks are rendered to text before the redaction, and never with local variables, which hold secrets.
    last: list[Any] = (
        [structlog.processors.format_exc_info, _redacted, structlog.processors.JSONRenderer()]
        if as_json
        else [
            structlog.processors.format_exc_info,
            _redacted,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("auditor").setLevel(level.upper())
    # A tick that comes while the one before is busy is skipped on purpose.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    # A retry that helps is no news, and one that does not is told by whoever called: once, as a gap or an error.
    stamina.instrumentation.set_on_retry_hooks(())


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger; `name` is the module's `__name__`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return logger


def _redacted(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: _clean(value) for key, value in event.items()}


def _clean(value: object) -> object:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    return value if isinstance(value, int | float | bool | None) else redact(str(value))
