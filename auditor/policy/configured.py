"""The policies that auditor.yaml names."""

from pathlib import Path

from auditor.configfile import Loaded
from auditor.errors import FaultyFiles
from auditor.policy.load import PolicySet, load
from auditor.policy.settings import Tell


def policies_of(loaded: Loaded) -> PolicySet:
    """The policies that the configuration names, with its parameters and overrides."""
    settings = loaded.config.policies
    base = Path(loaded.document.file).parent
    paths = [path if path.startswith("builtin:") else str(base / path) for path in settings.paths]
    missing = [
        loaded.fault(("policies", "paths", i), f"there is no file or folder {path}", "paths are relative to this file")
        for i, path in enumerate(paths)
        if not path.startswith("builtin:") and not Path(path).exists()
    ]
    if missing:
        raise FaultyFiles(missing)
    return load(paths, settings.params, settings.overrides, telling(loaded))


def telling(loaded: Loaded) -> Tell:
    """What tells of a fault in what the configuration sets, at the line where it does."""
    return lambda place, message, hint: loaded.fault(place, f"`{'.'.join(map(str, place))}`: {message}", hint)
