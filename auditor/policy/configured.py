"""The policies that auditor.yaml names."""

from pathlib import Path

from auditor.configfile import Loaded
from auditor.errors import FaultyFiles
from auditor.policy.load import PolicySet, load


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
    return load(paths, settings.params, settings.overrides)
