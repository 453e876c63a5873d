"""Texts of events that come again and again: one object for all of them, and never more than some thousands."""

import msgspec

from auditor.inventory.events import record_of
from auditor.inventory.texts import LONGEST, Texts


def body(number: int) -> bytes:
    deep = {"list": [{"name": "one"}, {"name": "two"}], "names": ["one"]}
    note = "x" * (LONGEST + 1)
    return msgspec.json.encode(
        {
            "id": f"audit_log_{number}",
            "type": "user.updated",
            "actor": {"session": {"user": {"email": "ann@example.com"}}},
            "user.updated": {"role": "owner", "count": 1000, "note": note, "is_new": True, "none": None, "deep": deep},
        }
    )


def test_two_events_hold_the_texts_and_names_that_they_share_once() -> None:
    one, other = record_of(body(1)).fields, record_of(body(2)).fields
    assert {key: value for key, value in one.items() if key != "id"} == {k: v for k, v in other.items() if k != "id"}
    for name in ("type", "actor.email", "actor.session.user.email", "payload.role", "user.updated.role"):
        assert one[name] is other[name], name
    assert one["payload.note"] is not other["payload.note"]
    assert all(mine is its for mine, its in zip(one, other, strict=True))


def test_every_leaf_keeps_its_value_and_its_type() -> None:
    fields = record_of(body(1)).fields
    assert {
        name: value for name, value in fields.items() if name.startswith("payload.") and name != "payload.note"
    } == {
        "payload.role": "owner",
        "payload.count": 1000,
        "payload.is_new": True,
        "payload.deep.list.name": ["one", "two"],
        "payload.deep.names": ["one"],
    }
    assert type(fields["payload.count"]) is int
    assert type(fields["payload.is_new"]) is bool


def test_texts_without_end_are_not_held_without_end() -> None:
    texts = Texts(most=100)
    first = texts.held("".join(["text ", "0"]))
    assert texts.held("".join(["text ", "0"])) is first
    for number in range(250):
        texts.held(f"other {number}")
    again = "".join(["text ", "0"])
    assert texts.held(again) is again
    assert again is not first
