"""A sample of `tests/history_size.py`: quiet snapshots weigh next to nothing, and changes weigh what they are."""

import pytest
from history_size import DAY, Weight, weigh

from auditor.simulator.organization import Size

pytest_plugins = ["databases"]


@pytest.fixture
def weight(sqlite_url: str) -> Weight:
    return weigh(Size.SMALL, 1, DAY // 48, sqlite_url)


def test_a_day_of_snapshots_weighs_less_than_the_first_one_did(weight: Weight) -> None:
    assert weight.snapshots == 48
    assert weight.changes > 20
    assert weight.a_day < 400_000, "48 copies of this organization would be 10 MB"
    assert weight.a_day < weight.before / 2
