"""Loading policies: every file read, every fault of every file told at once, and nothing half loaded."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from auditor import shipped
from auditor.config import Override
from auditor.errors import ConfigError, Fault, FaultyFiles
from auditor.policy.build import Builder
from auditor.policy.built import Built
from auditor.policy.policyset import PolicySet
from auditor.policy.settings import Settings, Tell, unplaced
from auditor.yamlfile import Document
from auditor.yamlfile import load as load_yaml

__all__ = ["PolicySet", "load"]

SUFFIXES = frozenset({".yaml", ".yml"})
MAX_CHARACTERS = 200_000
"""Of one file; a policy has some thousand, and a file of this size takes half a second to read."""
_BUILTIN = "builtin:"


def load(
    paths: Sequence[str], params: Mapping[str, object], overrides: Mapping[str, Override], tell: Tell = unplaced
) -> PolicySet:
    """The policies in `paths`: files, directories (searched below), or `builtin:openai` for the shipped pack.

    `params` sets a value in every policy that declares it, `overrides` changes one policy by name; what is wrong with
    these is told by `tell`. Raises FaultyFiles with every fault of every file and of both, ConfigError for a path that
    is not there.
    """
    settings = Settings(params, overrides, tell)
    files, faults = _documents(paths)
    built = Built()
    unread = bool(faults)
    written, wrong = _as_written(files, settings) if settings.any_params else (None, {})
    for file, documents in files:
        faults += Builder(file, documents, settings, built, wrong.get(file, frozenset())).build()
    faults += built.doubles()
    faults += built.unsettled.values()
    # A file that cannot be read may hold what seems to be missing.
    faults += [] if unread else settings.dangling(tuple(built.names), tuple(built.declared))
    if faults:
        raise FaultyFiles(sorted(faults, key=lambda fault: (fault.file, fault.line, fault.column)))
    policies = built.policy_set(written)
    if not len(policies):
        raise ConfigError("there is no policy to judge by", hint=f"looked in {', '.join(paths)}")
    return policies


_Files = list[tuple[Path, list[Document]]]


def _documents(paths: Sequence[str]) -> tuple[_Files, list[Fault]]:
    files: _Files = []
    faults: list[Fault] = []
    for file in _files(paths):
        try:
            files.append((file, load_yaml(_read(file), str(file))))
        except FaultyFiles as error:
            faults += error.faults
    return files, faults


def _as_written(files: _Files, settings: Settings) -> tuple[PolicySet, dict[Path, frozenset[tuple[int, int]]]]:
    """The policies with the parameters that they declare, and where each file is wrong by itself."""
    built = Built()
    wrong = {
        file: frozenset(
            (fault.line, fault.column) for fault in Builder(file, documents, settings.as_written, built).build()
        )
        for file, documents in files
    }
    return built.policy_set(), wrong


def _files(paths: Iterable[str]) -> Iterator[Path]:
    seen: set[Path] = set()
    for path in paths:
        for file in sorted(_below(_resolved(path))):
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def _resolved(path: str) -> Path:
    if path.startswith(_BUILTIN):
        pack = shipped.directory("policies") / path.removeprefix(_BUILTIN)
        if not pack.is_dir() or pack.parent != shipped.directory("policies"):
            raise ConfigError(f"no pack of policies is called `{path}`", hint="there is builtin:openai")
        return pack
    return Path(path)


def _below(path: Path) -> Iterator[Path]:
    if path.is_dir():
        return (file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    if not path.is_file():
        raise ConfigError(f"no policies at {path}: there is no such file or directory", hint="check `policies.paths`")
    return iter((path,))


def _read(file: Path) -> str:
    try:
        # The size first: not every file that ends in .yaml should be read into memory to be refused.
        if file.stat().st_size > 4 * MAX_CHARACTERS:
            raise FaultyFiles([_too_large(file)])
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise FaultyFiles([Fault(str(file), 0, 0, f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise FaultyFiles([Fault(str(file), 0, 0, "is not UTF-8 text", "save the file as UTF-8")]) from error
    if len(text) > MAX_CHARACTERS:
        raise FaultyFiles([_too_large(file)])
    return text


def _too_large(file: Path) -> Fault:
    return Fault(str(file), 0, 0, f"more than {MAX_CHARACTERS:,} characters", "split it into several files")
