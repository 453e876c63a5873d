"""Reading auditor.yaml: every fault at once, each with its place and a hint; secrets resolved and registered."""

import json
import os
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError

from auditor import redaction, routecheck, validation, webconfig
from auditor.config import ENV_PREFIX, Config, OrganizationConfig
from auditor.errors import ConfigError, Fault, FaultyFiles, did_you_mean
from auditor.yamlfile import Document, load

Place = tuple[str | int, ...]

# Variables of ours that say where the settings are, and are none themselves.
_NOT_SETTINGS = frozenset({"AUDITOR_CONFIG"})


@dataclass(frozen=True)
class Loaded:
    """A checked configuration, its secrets, and the way back to the lines it was written in."""

    config: Config = field(repr=False)
    keys: Mapping[str, SecretStr] = field(repr=False)
    """Admin key of each organization."""
    document: Document = field(repr=False)

    def fault(self, place: Place, message: str, hint: str = "") -> Fault:
        """A fault at `place` of the file, for what can be checked only higher up (sinks, routes)."""
        return _fault(self.document, place, message, hint)


def read(path: Path, *, need_keys: bool = True) -> Loaded:
    """The configuration in `path` with the environment over it.

    Raises FaultyFiles with every fault at once; ConfigError when the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot read the configuration {path}: {error.strerror}",
            hint="`auditor init` writes a starter file; -c FILE names another one",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text", hint="save the file as UTF-8") from error
    documents = load(text, str(path))
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise FaultyFiles(
            [Fault(str(path), 1, 1, "a configuration is one YAML mapping", "start with `organizations:`")]
        )
    return parse(documents[0], str(path), os.environ, need_keys=need_keys)


def parse(document: Document, file: str, environment: Mapping[str, str], *, need_keys: bool = True) -> Loaded:
    """Check `document` (one mapping); raises FaultyFiles."""
    try:
        config = Config(**typing.cast(dict[str, typing.Any], document.value))
    except ValidationError as error:
        wrong = validation.explained(error, Config)
        raise FaultyFiles(
            [_fault(document, each.place, each.message, _HINTS.get(each.place, each.hint), file) for each in wrong]
        ) from error
    except SettingsError:
        # Its cause holds the value, which may be a secret.
        raise FaultyFiles(_broken_variables(file, environment)) from None
    keys, faults = _resolve_keys(document, file, config, environment) if need_keys else ({}, [])
    found = (*routecheck.faults(config), *webconfig.faults(config.web))
    faults += [_fault(document, place, message, hint, file) for place, message, hint in found]
    faults += _unknown_variables(file, environment)
    if faults:
        raise FaultyFiles(faults)
    return Loaded(config, keys, document)


def _fault(document: Document, place: Place, message: str, hint: str = "", file: str = "") -> Fault:
    line, column = document.where(place)
    return Fault(file or document.file, line, column, message, hint)


_OF_ROUTES = "it belongs to one of `routes`: the root takes what none of them takes"
_HINTS: Mapping[Place, str] = {
    ("organizations",): "name the organization to audit: `organizations: {acme: {admin_key_file: ...}}`",
    ("route", "routes"): "`routes` stand beside `route`, at the top of the file",
    **{("route", key): _OF_ROUTES for key in ("match", "matchers", "continue", "mute_time_intervals")},
}
"""What to do about a fault at a place, where that is known better than from its words."""


def _resolve_keys(
    document: Document, file: str, config: Config, environment: Mapping[str, str]
) -> tuple[dict[str, SecretStr], list[Fault]]:
    keys: dict[str, SecretStr] = {}
    faults: list[Fault] = []
    only = len(config.organizations) == 1
    for name, organization in config.organizations.items():
        place = ("organizations", name)
        try:
            key = _key_of(name, organization, environment.get("OPENAI_ADMIN_KEY", "") if only else "")
        except ConfigError as error:
            faults.append(_fault(document, place, error.message, error.hint, file))
            continue
        redaction.register(key)
        keys[name] = SecretStr(key)
    return keys, faults


def _key_of(name: str, organization: OrganizationConfig, fallback: str) -> str:
    if organization.admin_key is not None and organization.admin_key.get_secret_value().strip():
        key = organization.admin_key.get_secret_value()
    elif organization.admin_key_file is not None:
        key = read_secret(organization.admin_key_file)
    else:
        key = fallback
    key = key.strip()
    if not key:
        raise ConfigError(
            f"organization `{name}` has no admin key",
            hint=f"set admin_key_file{_variable_of(name)}, or OPENAI_ADMIN_KEY for a single organization",
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"the admin key of `{name}` holds characters that no HTTP header can", hint="paste it anew")
    return key


def fits_a_variable(name: str) -> bool:
    """Whether an environment variable can name the organization: those are folded to lower case, and split at `__`."""
    return re.fullmatch(r"[a-z][a-z0-9_]*", name) is not None and "__" not in name


def _variable_of(name: str) -> str:
    return f", or {ENV_PREFIX}ORGANIZATIONS__{name.upper()}__ADMIN_KEY" if fits_a_variable(name) else ""


def read_secret(path: Path) -> str:
    """The secret in a file, without the line break at its end. Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(
            f"cannot read the secret file {path}: {reason}", hint="check the path and its mode"
        ) from error


def _broken_variables(file: str, environment: Mapping[str, str]) -> list[Fault]:
    """The variables that pydantic-settings could not decode, without their values; it names only their section."""
    names = [name for name, value in environment.items() if name.startswith(ENV_PREFIX) and _is_broken(name, value)]
    hint = "the value of a whole section is JSON; a single key is its own variable, for example AUDITOR_LOG__LEVEL"
    return [Fault(file, 0, 0, f"the environment variable {name} is not JSON", hint) for name in names]


def _is_broken(name: str, value: str) -> bool:
    """Whether it should be JSON, because it is a whole section or looks like it, and is none."""
    try:
        json.loads(value)
    except ValueError:
        section = "__" not in name and name not in {*_NOT_SETTINGS, f"{ENV_PREFIX}STORE"}
        return section or value.lstrip().startswith(("{", "["))
    return False


def _unknown_variables(file: str, environment: Mapping[str, str]) -> list[Fault]:
    """AUDITOR_* variables that set nothing: pydantic-settings would pass over a typing error in silence."""
    known = [f"{ENV_PREFIX}{name.upper()}" for name in Config.model_fields]
    return [
        Fault(file, 0, 0, f"unknown environment variable {name}", did_you_mean(name.split("__")[0], known, "variables"))
        for name in environment
        if name.startswith(ENV_PREFIX) and name not in _NOT_SETTINGS and name.split("__")[0] not in known
    ]
