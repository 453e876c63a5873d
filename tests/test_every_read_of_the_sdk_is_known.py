"""A read that the vendor's package has and we have not must not go unnoticed."""

import re

import pytest
from sdk import paths, pattern

from auditor.adminapi.reports import REPORTS
from auditor.adminapi.resources import AUDIT_LOG_PATH, RESOURCES

LEFT_OUT = {
    r".*/\{\}": "a single object by its id holds nothing that its list does not hold",
}
"""Path to the reason why no snapshot reads it."""


def test_every_read_of_the_package_is_collected_or_left_out_for_a_reason() -> None:
    asked, methods = paths()
    assert methods == {"GET"}
    assert len(asked) >= 68
    ours = {pattern(kind.path) for kind in RESOURCES} | {report.path for report in REPORTS} | {AUDIT_LOG_PATH}
    unknown = {
        name: path
        for name, path in asked.items()
        if path not in ours and not any(re.fullmatch(left, path) for left in LEFT_OUT)
    }
    assert unknown == {}
    assert ours <= set(asked.values())


@pytest.mark.parametrize("path", LEFT_OUT)
def test_what_is_left_out_is_not_collected_all_the_same(path: str) -> None:
    assert not [kind.name for kind in RESOURCES if re.fullmatch(path, pattern(kind.path))]
