"""The commands: what they are called, and what an error looks like to the person who typed one."""

import gc
import importlib
import io
import os
import signal
import sys
from typing import Any, NoReturn

import click

from auditor import __version__
from auditor.errors import AuditorError, ConfigError, FaultyFiles, did_you_mean
from auditor.redaction import redact

COMMANDS = {
    "changes": "what was added, removed and changed in the organization, and which events explain it",
    "check": "one pass for CI and cron: read, judge, print; exit 3 when something fails",
    "deliveries": "messages that are owed, and those that were given up: list, retry",
    "demo": "a simulated organization, the daemon that audits it, and its page; nothing to configure",
    "doctor": "what works and what is missing: key, permissions, audit log, clock, store, sinks",
    "events": "the audit log from the store: list, follow, export, coverage; replay of a file",
    "findings": "what was found, from the store: list, show, ack",
    "init": "write a starter auditor.yaml",
    "policies": "list, show, explain, validate, test, backtest, document and write policies, and their controls",
    "report": "write the weekly report now",
    "routes": "who is told what: show the routes, and try an alert on them",
    "run": "the daemon: snapshots, audit log, alerts, weekly report, page",
    "settings": "what no endpoint shows: values, where they come from, who vouches for them",
    "silences": "list, add and expire silences: alerts that are not sent for a while",
    "simulate": "serve a simulated organization's Admin API",
    "sinks": "list, test and preview the sinks",
    "waivers": "accepted risks: list, add, expire, lint",
    "web": "the page: make hashes of passwords for those who sign in",
}
"""Every command with its one line of help; `auditor.cli.<name>` holds it and is imported when it is called."""
GARBAGE = 50_000
"""Objects that may be made before garbage is looked for among them; it is some megabytes."""


class Commands(click.Group):
    """Imports a command when it is called, so that `--help` needs no database driver and no Slack."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, None for a name that is none."""
        if cmd_name not in COMMANDS:
            return None
        return imported(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, and an unknown name gets told which one is close."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no command is named `{args[0]}`; {did_you_mean(args[0], COMMANDS, 'commands')}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does it, and a reader who has gone (`auditor ... | head`) ends it as the signal would.

        Nothing is left to say, and nobody to say it to; click itself would make it an error.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # What is still in the buffer is written when Python ends, and must not fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(128 + signal.SIGPIPE)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


def imported(name: str) -> click.Command:
    """The command of this name, which is one of COMMANDS."""
    collecting = gc.isenabled()
    # What is imported stays until the process ends: to look for garbage in it takes a quarter of the time, in vain.
    gc.disable()
    try:
        command: click.Command = importlib.import_module(f"auditor.cli.{name}").command
    finally:
        if collecting:
            gc.enable()
    return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="auditor")
def group() -> None:
    """Watch an OpenAI organization: read it (and only read it), judge it by policies, alert, report."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit with its code. Errors go to stderr with a hint; a bug shows its traceback."""
    # Policies, resources and findings are made by the ten thousand and kept: to look for garbage every 700 is in vain.
    gc.set_threshold(GARBAGE)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal's encoding cannot show must not end the command that shows it.
            stream.reconfigure(errors="backslashreplace")
    code = call(arguments)
    # All memory goes with the process: to look for garbage in it once more takes a quarter of a short command.
    gc.freeze()
    sys.exit(code)


def call(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    try:
        result: Any = group(arguments, prog_name="auditor", standalone_mode=False)
    except click.exceptions.Abort:
        return 128 + signal.SIGINT
    except click.ClickException as error:
        said = io.StringIO()
        error.show(said)
        click.echo(redact(said.getvalue()), err=True, nl=False)
        return 2
    except AuditorError as error:
        complain(error)
        return 2 if isinstance(error, ConfigError) else 1
    return result if isinstance(result, int) else 0


def complain(error: AuditorError) -> None:
    """Say what went wrong, every fault on a line of its own, and what to do next; no secret in any of it."""
    if isinstance(error, FaultyFiles):
        for fault in error.faults:
            click.echo(redact(f"error: {fault}"), err=True)
        return
    click.echo(redact(f"error: {error.message}"), err=True)
    if error.hint:
        click.echo(redact(f" hint: {error.hint}"), err=True)
