"""The sentence that people read: it names fields and nothing else, and no name can break out of it."""

import unicodedata
from pathlib import Path

import pytest
from hostile import PAYLOADS
from hypothesis import given
from hypothesis import strategies as st
from policyfiles import DAY, NOW, RULE, event, faults, judged, key, loaded, state

from auditor.inventory.model import Unknown
from auditor.policy.evaluate import match
from auditor.policy.template import MAX_LENGTH, MAX_TEMPLATE, Message


def said(text: str, **fields: object) -> str:
    return Message(text).render({name.replace("__", "."): value for name, value in fields.items()}, NOW, "The title")


SENTENCES: dict[tuple[str, object], str] = {
    ("{{ value }}", "ingest"): "ingest",
    ("{{ value }}", None): "?",
    ("{{ value }}", Unknown()): "?",
    ("{{ value }}", 7): "7",
    ("{{ other.thing.deep }}", 7): "?",
    ("{{ value | ago }}", NOW - 91 * DAY): "91 days ago",
    ("{{ value | ago }}", NOW - 86_399): "23 hours ago",
    ("{{ value | ago }}", NOW - 60): "1 minute ago",
    ("{{ value | ago }}", NOW): "a moment ago",
    ("{{ value | ago }}", None): "never",
    ("{{ value | until }}", NOW + 12 * DAY): "in 12 days",
    ("{{ value | until }}", None): "never",
    ("{{ value | date }}", NOW): "2026-01-01",
    ("{{ value | date }}", 10**18): "?",
    ("{{ value | date }}", None): "never",
    ("{{ value | default('none') }}", None): "none",
    ("{% if value %}yes{% else %}no{% endif %}", "x"): "yes",
    ("{{ 'yes' if value == 'x' else 'no' }}", "y"): "no",
    ("{{ value }}", "{{ 7 * 7 }}{% raw %}"): "{{ 7 * 7 }}{% raw %}",
    ("<b>{{ value }}</b>", "<script>"): "<b><script></b>",
}


@pytest.mark.parametrize(("text", "value"), SENTENCES)
def test_a_message_says_what_the_fields_say(text: str, value: object) -> None:
    assert said(text, value=value) == SENTENCES[text, value]


def test_a_list_is_said_as_a_list() -> None:
    assert said("{{ value }}", value=["a", "b"]) == "a, b"
    assert said("{{ value }}.", value=[]) == "."
    assert said("{{ value }}", value=[str(i) for i in range(50)]).endswith("19, …")


ATTACKS = (
    "{{ name.__class__.__mro__[1].__subclasses__() }}",
    "{{ name.format(name) }}",
    "{{ ''.__class__ }}",
    "{{ self }}{{ self._TemplateReference__context }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__['os'] }}",
    "{{ name['__class__'] }}",
    "{{ 'a' * 1000000000 }}",
    "{{ [0] * 1000000000 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ range(1000000000) | list }}",
    "{% for a in name %}{% for b in name %}{% endfor %}{% endfor %}",
    "{% set x = 'a' * 1000000000 %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends name %}",
    "{{ name | attr('__class__') }}",
    "{{ name | map('upper') }}",
    "{{ name ~ name }}",
    "{{ name[0:9] }}",
    "{% block x %}{% endblock %}",
    "{% call name() %}{% endcall %}",
    "{% filter upper %}x{% endfilter %}",
    "{{ name is defined }}",
    "{{ " + "(" * 900 + "name" + ")" * 900 + " }}",
    "{{ " + "not " * 480 + "name }}",
    "{{ name }}" * 300,
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_message_that_does_more_than_to_name_fields_is_refused_at_load(tmp_path: Path, attack: str) -> None:
    text = state("{bad: {name: bad}, condition: bad}", message="|\n  " + attack)
    told = faults(tmp_path, text)
    assert told
    assert all(fault.line == text[: text.index("message:")].count("\n") + 1 for fault in told)


def test_an_event_message_may_name_any_field_and_still_reaches_nothing_else(tmp_path: Path) -> None:
    message = "{{ payload.items }} {{ payload.keys.get }} {{ anything.at_all }} {{ payload.copy }} {{ type }}"
    rule = RULE + f"detection: {{s: {{type: a}}, condition: s}}\nmessage: '{message}'\n"
    (verdict,) = match(loaded(tmp_path, rule, "rule.yaml"), [event("e1", "a", payload__items="3")], NOW)
    assert "<" not in verdict.message
    assert verdict.message.startswith("3 ")
    assert verdict.message.endswith(" a")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_name_breaks_the_line_or_pushes_the_rest_out(payload: str) -> None:
    text = said("{{ name }} and {{ other }}", name=payload, other="the rest")
    assert text.endswith("the rest")
    assert len(text) <= MAX_LENGTH
    assert not [letter for letter in text if unicodedata.category(letter) in {"Cc", "Cf", "Zl", "Zp"}]


@given(st.text(), st.text("{}% abc.|'()", max_size=40))
def test_every_template_gives_a_short_line_or_is_refused(name: str, text: str) -> None:
    try:
        message = Message(text)
    except ValueError:
        return
    line = message.render({"a": name, "b.c": [name, name]}, NOW, "The title")
    assert len(line) <= MAX_LENGTH
    assert "\n" not in line


def test_a_long_template_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than"):
        Message("a" * (MAX_TEMPLATE + 1))


def test_a_message_that_fails_falls_back_to_the_title() -> None:
    assert said("{% if value > 3 %}big{% endif %}", value="x") == "The title"


def test_without_a_message_the_title_is_said_as_it_stands(tmp_path: Path) -> None:
    text = state("{bad: {name: bad}, condition: bad}", title="'100 % {{ of }} {% it %}'")
    (verdict,) = judged(loaded(tmp_path, text), key("bad")).verdicts
    assert verdict.message == "100 % {{ of }} {% it %}"


def test_a_message_names_parameters_and_fields_of_relations(tmp_path: Path) -> None:
    text = state("{bad: {created_at|older_than: '%after%'}, condition: bad}", message="'{{ owner.name }}: {{ after }}'")
    text = text.replace("examples:", "params: {after: 90d}\nexamples:")
    (verdict,) = judged(loaded(tmp_path, text), key("bad", created_at=1, owner__name="Robin Example")).verdicts
    assert verdict.message == "Robin Example: 90d"
