"""A tutorial in Markdown, followed to the letter: its files are written, its commands run, and what they print kept."""

import contextlib
import io
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from auditor.cli import call

_FENCED = re.compile(r"```(console|yaml|json)\n(.*?)```", flags=re.DOTALL)
_NAMED = re.compile(r"`([a-z-]+\.(?:yaml|json))`")


@dataclass(frozen=True)
class Told:
    """One command of a tutorial: what stands below it, and what it printed."""

    command: str
    written: str
    printed: str


def follow(text: str) -> Iterator[Told]:
    """Do what `text` says, in the working directory.

    A piece of YAML or JSON goes into the file that was named last: after the words "Add to" at its end.
    """
    for block in _FENCED.finditer(text):
        kind, body = block.groups()
        before = text[: block.start()]
        if kind == "console":
            yield from _run(body)
            continue
        file = Path(_NAMED.findall(before)[-1])
        appended = before.rstrip().splitlines()[-1].endswith(f"Add to `{file}`:")
        file.write_text((file.read_text(encoding="utf-8") if appended else "") + body, encoding="utf-8")


def _run(body: str) -> Iterator[Told]:
    for step in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, _, written = step.partition("\n")
        yield Told(command, written, _printed(*shlex.split(command)))


def _printed(program: str, *arguments: str) -> str:
    match program:
        case "auditor":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                call(list(arguments))
            return printed.getvalue()
        case "touch":
            Path(*arguments).touch()
        case "mkdir":
            Path(*arguments).mkdir()
        case "mv":
            source, target = arguments
            shutil.move(source, target)
        case _:
            raise AssertionError(f"the tutorial runs {program}")
    return ""
