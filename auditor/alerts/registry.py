"""Finds the sinks: every file of `sinks/` is one kind, and nothing else lists them.

Such a file has four names: `Config`, `EXAMPLES`, `render` (what goes out, as text without secrets) and `send`;
`TAKES_EVENTS = True` when raw audit events are at home there, `render_kept` when its messages are kept up to date, and
`render_parts` when the other side keeps the state of each finding: it is told of what people decided, too, and of each
finding that a digest was folded from.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from auditor.alerts import sinks
from auditor.alerts.sink import Sink, SinkConfig, secret
from auditor.errors import ConfigError, did_you_mean
from auditor.validation import Place, Wrong, explained


def kinds() -> tuple[str, ...]:
    """The kinds of sinks there are, by file name."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(sinks.__path__)))


class Unusable(ConfigError):
    """A sink that cannot be made of its settings; `wrong` says why, each with its place in the configuration."""

    def __init__(self, wrong: Sequence[Wrong]) -> None:
        if len(wrong) == 1:
            super().__init__(wrong[0].message, hint=wrong[0].hint)
        else:
            super().__init__(
                "\n".join(f"{each.message} ({each.hint})" if each.hint else each.message for each in wrong)
            )
        self.wrong = tuple(wrong)


def build(name: str, settings: Mapping[str, Any]) -> Sink:
    """The sink `name` of auditor.yaml from its raw mapping, `type` included, ready to send.

    Raises Unusable naming the settings at fault, never their values.
    """
    sink, place = described(name, settings), ("sinks", name)
    with _told_at(place):
        _read_secrets(sink.config, place)
        sink.config.ready()
    return sink


def described(name: str, settings: Mapping[str, Any]) -> Sink:
    """The same as far as its settings alone tell: no file is read, so it can be previewed where there is no secret.

    Raises Unusable.
    """
    kind, place = settings.get("type"), ("sinks", name)
    if kind not in kinds():
        raise Unusable([Wrong((*place, "type"), *_unknown(name, kind))])
    module = importlib.import_module(f"{sinks.__name__}.{kind}")
    model: type[SinkConfig] = module.Config
    try:
        config = model.model_validate({key: value for key, value in settings.items() if key != "type"})
    except ValidationError as error:
        raise Unusable(explained(error, model, place)) from None
    return Sink(
        name,
        str(kind),
        config,
        module.send,
        module.render,
        takes_events=getattr(module, "TAKES_EVENTS", False),
        _render_kept=getattr(module, "render_kept", None),
        _render_parts=getattr(module, "render_parts", None),
    )


def _read_secrets(config: SinkConfig, place: Place) -> None:
    """Read each secret once at the start: a missing file is an error of the configuration, not of the first alert."""
    fields = type(config).model_fields
    for field in fields:
        file = f"{field}_file"
        if file in fields:
            with _told_at((*place, file)):
                secret(getattr(config, field), getattr(config, file))


@contextmanager
def _told_at(place: Place) -> Iterator[None]:
    """Says of an error which setting it is about."""
    try:
        yield
    except Unusable:
        raise
    except ConfigError as error:
        raise Unusable([Wrong(place, f"`{'.'.join(map(str, place))}`: {error.message}", error.hint)]) from None


def _unknown(name: str, kind: object) -> tuple[str, str]:
    what = " is missing" if kind is None else f": no such sink: {kind!r}"
    return f"`sinks.{name}.type`{what}", did_you_mean(str(kind), kinds(), "sinks")
