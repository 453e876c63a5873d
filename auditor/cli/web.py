"""`auditor web`: what belongs to the page."""

import sys

import click

from auditor import passwords
from auditor.passwords import COST, COSTS


@click.group(name="web")
def command() -> None:
    """The page: make hashes of passwords for those who sign in."""


@command.command(name="password")
@click.option(
    "--cost", type=click.IntRange(COSTS[0], COSTS[-1]), default=COST, show_default=True, help="Each is twice as slow."
)
def password(cost: int) -> None:
    """Ask for a password without showing it, or read a line of standard input, and print its hash for `web.users`."""
    given = _asked() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    click.echo(passwords.make(given, cost))


def _asked() -> str:
    # On stderr, so that what is printed can go into a file.
    text: str = click.prompt("Password", hide_input=True, confirmation_prompt="Again", err=True)
    return text
