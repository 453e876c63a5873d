"""Finds the sinks: every file of `sinks/` is one kind, and nothing else lists them.

Such a file has four names: `Config`, `EXAMPLES`, `render` (what goes out, as text without secrets) and `send`;
`TAKES_EVENTS = True` when raw audit events are at home there, and `render_kept` when its messages are kept up to date.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from auditor.alerts import sinks
from auditor.alerts.sink import Sink, SinkConfig, secret
from auditor.errors import ConfigError, did_you_mean


def kinds() -> tuple[str, ...]:
    """The kinds of sinks there are, by file name."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(sinks.__path__)))


def build(name: str, settings: Mapping[str, Any]) -> Sink:
    """The sink `name` of auditor.yaml from its raw mapping, `type` included.

    Raises ConfigError naming the setting at fault, never its value.
    """
    kind = settings.get("type")
    if kind not in kinds():
        raise ConfigError(f"sinks.{name}.type: {_unknown(kind)}", hint=did_you_mean(str(kind), kinds(), "sinks"))
    module = importlib.import_module(f"{sinks.__name__}.{kind}")
    model: type[SinkConfig] = module.Config
    try:
        config = model.model_validate({key: value for key, value in settings.items() if key != "type"})
    except ValidationError as error:
        raise ConfigError("\n".join(_lines(name, error, model))) from None
    _read_secrets(name, config)
    try:
        config.ready()
    except ConfigError as error:
        raise ConfigError(f"sinks.{name}: {error.message}", hint=error.hint) from None
    return Sink(
        name,
        str(kind),
        config,
        module.send,
        module.render,
        takes_events=getattr(module, "TAKES_EVENTS", False),
        _render_kept=getattr(module, "render_kept", None),
    )


def _read_secrets(name: str, config: SinkConfig) -> None:
    """Read each secret once at the start: a missing file is an error of the configuration, not of the first alert."""
    fields = type(config).model_fields
    for field in fields:
        file = f"{field}_file"
        if file in fields:
            try:
                secret(getattr(config, field), getattr(config, file))
            except ConfigError as error:
                raise ConfigError(f"sinks.{name}.{file}: {error.message}", hint=error.hint) from None


def _unknown(kind: object) -> str:
    return "missing" if kind is None else f"no such sink: {kind!r}"


def _lines(name: str, error: ValidationError, model: type[SinkConfig]) -> Iterable[str]:
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(("sinks", name, *map(str, fault["loc"])))
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            message = f"unknown setting ({did_you_mean(str(fault['loc'][-1]), model.model_fields, 'settings')})"
        yield f"{place}: {message}"
