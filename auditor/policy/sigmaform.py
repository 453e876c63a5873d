"""What other Sigma tools would refuse of a rule, whatever it looks for: it is a fault here, too. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule


def not_sigma(
    kind: type[SigmaRule] | type[SigmaCorrelationRule], value: Mapping[str, object]
) -> Iterator[tuple[str, str]]:
    """The key that is at fault, empty when none is alone, and the message of each fault of a rule."""
    # Of the detection, the parser here knows line and column of what is wrong.
    head = {**_plain(value), "detection": {"any": {"type": "*"}, "condition": "any"}}
    try:
        rule = kind.from_dict(head, collect_errors=True)
    except RecursionError:
        yield "", "not a valid Sigma rule: it is nested too deep"
        return
    except (SigmaError, ValueError, TypeError, AttributeError, KeyError) as error:
        yield "", f"not a valid Sigma rule: {error}"
        return
    for each in rule.errors:
        # "Sigma tag must start with ..." is about `tags`: the only trace of the place.
        words = {word.removesuffix("s") for word in str(each).lower().replace("identifier", "id").split()}
        yield next((key for key in value if key.removesuffix("s") in words), ""), f"not a valid Sigma rule: {each}"


def _plain(value: Any) -> Any:
    """A copy that pySigma may change."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
