"""`auditor init`: a starter configuration that loads as it is."""

import json
import re
from pathlib import Path

import click

from auditor.configfile import fits_a_variable
from auditor.errors import ConfigError

STARTER = """\
# The auditor's configuration. Unknown keys are refused; every key can also come from the environment:
# AUDITOR_SCHEDULE__SNAPSHOT=5m, AUDITOR_ORGANIZATIONS__{variable}__ADMIN_KEY=...

organizations:
  {name}:
    # An admin key that can only read. In the environment instead: OPENAI_ADMIN_KEY
    {key_line}
    # base_url: https://api.openai.com/v1

store: sqlite:///auditor.db           # or postgresql://...

schedule:
  snapshot: 15m
  audit_log: 30s
  usage: 24h
  role_assignments: 6h   # a call for each user and group; at once when the audit log names one
  weekly_report: '0 8 * * mon'
  timezone: UTC

policies:
  paths: [builtin:openai]             # add ./policies for your own
  params: {{}}                          # for example stale_after: 60d, approved_owner_groups: [platform-admins]
  overrides: {{}}                       # for example api-key-without-expiry: {{level: low}}

sinks:
  terminal: {{type: console}}
  # security: {{type: slack, token_file: /run/secrets/slack-bot-token, channel: '#security'}}

routes:
  - {{to: [terminal]}}
  # - {{match: {{level: [critical, high]}}, to: [security]}}

reports:
  directory: ./reports
  keep: 52

web:
  listen: 127.0.0.1:9847              # beyond loopback with users only, or with `anonymous: true` behind a proxy
  # users: {{ada@example.com: $2b$12$...}}   # who signs in; `auditor web password` makes a hash
  # deciders: [ada@example.com]         # who of them may accept risks
"""


@click.command(name="init")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), default=Path("auditor.yaml"), show_default=True
)
@click.option("--organization", default="acme", show_default=True, help="What to call the organization.")
@click.option("--admin-key-file", type=click.Path(path_type=Path), help="File that holds the admin key.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def command(output: Path, organization: str, admin_key_file: Path | None, force: bool) -> None:
    """Write a starter auditor.yaml. It never asks for a key and never writes one."""
    if not fits_a_variable(organization):
        raise ConfigError(
            f"`{organization}` cannot name an organization",
            hint="begin with a lower-case letter, go on with those, digits and single _: environment variables hold it",
        )
    if output.exists() and not force:
        raise ConfigError(f"{output} is there already", hint="--force replaces it, --output FILE writes another")
    key_line = "# admin_key_file: /run/secrets/openai-admin-key"
    if admin_key_file:
        key_line = f"admin_key_file: {_scalar(str(admin_key_file))}"
    # A mapping of comments only would be null, so the base URL is said where no key file is.
    text = STARTER.format(name=_scalar(organization), variable=organization.upper(), key_line=key_line)
    if not admin_key_file:
        text = text.replace("    # base_url:", "    base_url:")
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot write {output}: {error.strerror}", hint="--output FILE names another place"
        ) from error
    click.echo(f"wrote {output}")
    click.echo("next: put a read-only admin key where the file says, then run `auditor check`")


def _scalar(text: str) -> str:
    """`text` as YAML: in quotes unless it reads as the same text without them."""
    plain = re.fullmatch(r"[A-Za-z./][A-Za-z0-9./_-]*", text) and text.lower() not in {"null", "true", "false"}
    return text if plain else json.dumps(text)
