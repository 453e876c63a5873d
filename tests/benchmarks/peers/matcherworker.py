"""sigma-rule-matcher in a process and an environment of its own: it needs a pySigma that this project does not run on.

Reads rules and events as JSON from the first line, then a number of events from each line, and answers each with what
was found and the seconds of CPU that it took.
"""

import json
import sys
import time

from sigma.rule import SigmaRule
from sigma_rule_matcher import RuleMatcher


def main() -> None:
    """Serve standard input."""
    given = json.loads(sys.stdin.readline())
    matchers = [(rule["title"], RuleMatcher(SigmaRule.from_dict(rule))) for rule in given["rules"]]
    for line in sys.stdin:
        events = given["events"][: int(line)]
        start = time.process_time()
        found = [(name, event["id"]) for event in events for name, matcher in matchers if matcher.match(event)]
        seconds = time.process_time() - start
        print(json.dumps({"seconds": seconds, "found": found}), flush=True)


if __name__ == "__main__":
    main()
