"""What is said of the findings that a message has no room for. Pure."""

from collections.abc import Iterable

from auditor.alerts.message import Line


def more(words: str, lines: Iterable[Line], link: str) -> str:
    """That there are more (`3 more findings`) than are listed, and where all of `lines` are.

    That is the page, if there is a `link` to it, and the command line; nowhere for what is no finding.
    """
    policies = {line.policy for line in lines if line.finding}
    only = f" --policy {next(iter(policies))}" if len(policies) == 1 else ""
    where = f" ({'on the page and ' if link else ''}with `auditor findings list{only}`)" if policies else ""
    return f"... and {words}{where}"
