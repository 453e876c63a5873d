"""Scenarios: what happens to an organization while somebody watches it. Each step changes it and leaves its events."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from auditor.clock import Clock, epoch
from auditor.simulator import takeover
from auditor.simulator.model import Organization


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens."""

    name: str
    title: str
    """What a person who watches is told."""
    delay: float
    """Seconds after the step before, at speed 1."""
    apply: Callable[[Organization, int], None]
    """Changes the organization and records the events, as of the given Unix seconds."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story in steps."""

    name: str
    title: str
    prepare: Callable[[Organization, int], None]
    """What must be in place before the baseline is taken: its events lie before the given Unix seconds."""
    steps: tuple[Step, ...]


SCENARIOS: Mapping[str, Scenario] = {
    "takeover": Scenario(
        name="takeover",
        title="An owner's session is stolen",
        prepare=takeover.prepare,
        steps=(
            Step("failed-logins", "six failed sign-ins from one address", 15, takeover.fail_to_sign_in),
            Step("login", "then one that succeeds", 10, takeover.sign_in),
            Step("allowlist-off", "the IP allowlist is switched off", 15, takeover.switch_allowlist_off),
            Step("admin-key", "an admin key is made", 15, takeover.make_admin_key),
            Step("owner-added", "a new owner is added", 15, takeover.add_owner),
            Step("scim-off", "SCIM is disabled", 15, takeover.disable_scim),
        ),
    ),
}


def _no_one(step: Step, at: int) -> None:
    """Nobody watches."""


async def play(
    organization: Organization,
    scenario: Scenario,
    *,
    clock: Clock,
    speed: float = 1.0,
    on_step: Callable[[Step, int], None] = _no_one,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Play the steps in real time, `speed` times faster; `on_step` hears of each after it happened, with its time."""
    for step in scenario.steps:
        await sleep(step.delay / speed)
        at = epoch(clock())
        step.apply(organization, at)
        on_step(step, at)


def apply(organization: Organization, scenario: Scenario, now: int) -> None:
    """Play all steps at once, spaced as in real time and so that the last one happens at `now`."""
    left = sum(step.delay for step in scenario.steps)
    for step in scenario.steps:
        left -= step.delay
        step.apply(organization, now - int(left))
