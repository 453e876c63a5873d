"""The HTML of the report: one file, nothing executes, nothing is fetched, names change no structure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from itertools import count, pairwise
from pathlib import Path
from typing import TypeVar

import browser
import pytest
import sample
from hostile import PAYLOADS
from markup import Outline, outline

from auditor.config import Findings
from auditor.reporting.build import compose
from auditor.reporting.facts import Facts
from auditor.reporting.render import asset, render_report
from auditor.reporting.view import Report
from auditor.store.database import open_store

T = TypeVar("T")

SECTIONS = (
    "todo",
    "changes",
    "findings",
    "waivers",
    "events",
    "unseen",
    "settings",
    "controls",
    "policies",
    "coverage",
    "deliveries",
    "evidence",
)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facts]:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'auditor.db'}")
    sample.fill(store)
    yield sample.facts(store)
    store.close()


@pytest.fixture(scope="module")
def report(facts: Facts) -> Report:
    return compose(facts, sample.POLICIES, Findings())


@pytest.fixture(scope="module")
def html(report: Report) -> str:
    return render_report(report)


def test_what_is_not_read_in_every_pass_shows_when_it_was_read(report: Report) -> None:
    old = replace(report.ledger[0], read_at=sample.NOW - 2 * sample.DAY)

    assert "read 2 days ago" in render_report(replace(report, ledger=(old, *report.ledger[1:])))
    assert "read 2 days ago" not in render_report(report)


def poisoned(value: T, text: Callable[[], str]) -> T:
    """`value` with every non-empty text in it replaced, whichever field it is in: no field can be forgotten."""
    if isinstance(value, Enum) or value is None:
        return value
    if isinstance(value, str):
        return text() if value else value  # type: ignore[return-value]
    if isinstance(value, tuple):
        return tuple(poisoned(each, text) for each in value)  # type: ignore[return-value]
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: poisoned(getattr(value, each.name), text) for each in fields(value)})
    return value


def hostile_report(report: Report, text: Callable[[], str]) -> Report:
    """Levels and days are words of our own, and serve as class names and dates."""
    made = poisoned(report, text)
    return replace(made, levels=report.levels, activity=replace(made.activity, days=report.activity.days))


def rotation(start: int) -> Callable[[], str]:
    numbers = count(start)
    return lambda: PAYLOADS[next(numbers) % len(PAYLOADS)]


def test_the_document_is_well_formed_and_accessible(html: str) -> None:
    seen = outline(html)
    assert seen.faults == []
    assert seen.tags.count("h1") == 1
    assert seen.attributes("html") == [{"lang": "en"}]
    assert all(attributes.get("scope") in {"row", "col"} for attributes in seen.attributes("th"))
    pictures = [each for each in seen.attributes("svg") if each.get("role") == "img"]
    assert len(pictures) == 3 + 3 + 1
    assert all(each.get("role") == "img" or each.get("aria-hidden") == "true" for each in seen.attributes("svg"))
    assert all(set((each["aria-labelledby"] or "").split()) <= seen.ids for each in pictures)
    assert len(seen.ids) == seen.id_count


def test_every_section_is_there_and_the_contents_lead_to_them(html: str) -> None:
    seen = outline(html)
    assert set(SECTIONS) <= seen.ids
    targets = {each["href"] for each in seen.attributes("a")}
    assert targets == {"#main", *(f"#{section}" for section in SECTIONS)}


def test_headings_descend_without_a_gap(html: str) -> None:
    depths = [int(tag[1]) for tag in outline(html).tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(depths))


def test_nothing_in_it_executes_or_is_fetched(html: str) -> None:
    seen = outline(html)
    policy = [each["content"] for each in seen.attributes("meta") if each.get("http-equiv")]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert not {"script", "iframe", "object", "embed", "link", "img", "form", "base"} & set(seen.tags)
    assert not [name for name in seen.attribute_names if name.startswith("on") or name in {"src", "style", "srcset"}]
    assert not re.search(r"https?:|//[a-z]|url\(|@import|@font-face", html)


def test_equal_reports_give_equal_bytes(facts: Facts) -> None:
    first, second = (render_report(compose(facts, sample.POLICIES, Findings())) for _ in range(2))
    assert first == second


def test_what_could_not_be_seen_is_told_with_its_next_step(html: str) -> None:
    assert "8 collections could not be read whole, 2 policies have no answer" in html
    assert "403 insufficient_permissions: missing scope api.certificates.read" in html
    assert "Give the admin key the scope api.certificates.read." in html
    assert "no audit event has shown api_call_logging yet" in html


def test_an_unknown_policy_is_never_shown_as_passed(html: str) -> None:
    for name in ("api-call-logging-disabled", "certificate-expiring"):
        rows = [row for row in re.findall(r"<tr>.*?</tr>", html, re.DOTALL) if f">{name}<" in row and "Outcome" in row]
        assert len(rows) == 1
        assert "Unknown</span>" in rows[0]
        assert "Pass" not in rows[0]


def test_a_policy_without_a_verdict_says_whether_it_watches_events_or_waits(report: Report) -> None:
    waiting = replace(report, policies=tuple(replace(row, outcome=None) for row in report.policies))
    html = render_report(waiting)
    assert (html.count(">Watches events<"), html.count(">Not judged yet<")) == (3, 13)


def test_an_empty_store_shows_no_mark_of_success() -> None:
    html = render_report(Report("acme", sample.START, sample.NOW, sample.NOW))
    body = html[html.index("<main") :].replace("Passed", "")
    assert "#m-pass" not in re.sub(r'<ul class="legend">.*?</ul>', "", body, flags=re.DOTALL)
    assert "nothing can be said about it" in body
    assert outline(html).faults == []


def test_five_thousand_findings_stay_below_a_megabyte_and_the_rest_is_counted(facts: Facts) -> None:
    long = [
        sample.finding(name, (f"proj_{n}", f"key_{n}"), f"{'n' * 400}{n}", "m" * 800, owner=f"{'o' * 300}@example.com")
        for n in range(400)
        for name in list(sample.POLICIES)[:13]
    ]
    report = compose(replace(facts, findings={each.id: each for each in long}), sample.POLICIES, Findings())
    html = render_report(report)
    assert len(html.encode()) < 1_000_000
    assert "5,200 active findings" in html
    assert "are listed here; the others are counted" in html


@pytest.mark.parametrize("start", range(0, len(PAYLOADS), 6))
def test_no_text_from_outside_changes_the_structure(report: Report, start: int) -> None:
    harmless = outline(render_report(hostile_report(report, lambda: "harmless")))
    hostile = outline(render_report(hostile_report(report, rotation(start))))
    assert hostile.faults == []
    assert hostile.skeleton == harmless.skeleton


def test_a_browser_executes_none_of_it_even_without_the_content_policy(report: Report, tmp_path: Path) -> None:
    harmless = _in_browser(render_report(hostile_report(report, lambda: "harmless")), tmp_path)
    hostile = _in_browser(render_report(hostile_report(report, rotation(0))), tmp_path)
    assert "pwned" not in {name for tag in ("html", "body") for each in hostile.attributes(tag) for name in each}
    assert hostile.skeleton == harmless.skeleton


def _in_browser(html: str, folder: Path) -> Outline:
    """The DOM that chromium makes of it. The policy is taken out, so that only the escaping stands."""
    file = folder / "report.html"
    bare = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    assert bare != html
    file.write_text(bare, encoding="utf-8")
    return outline(browser.dom(file.as_uri()))


def test_the_browser_test_would_notice(tmp_path: Path) -> None:
    file = tmp_path / "canary.html"
    file.write_text(f"<!doctype html><html lang=en><body><p>{PAYLOADS[0]}</p>", encoding="utf-8")
    (root,) = outline(browser.dom(file.as_uri())).attributes("html")
    assert "pwned" in root


def test_every_colour_of_text_has_the_contrast_of_wcag_aa_in_light_and_in_dark() -> None:
    light, dark = re.findall(r":root \{(.*?)\}", asset("style.css"), re.DOTALL)
    for scheme in (light, dark):
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3}(?:[0-9a-f]{3})?);", scheme))
        inks = colours.keys() - {"ground", "card", "sunk", "line"}
        poor = [(ink, on) for ink in inks for on in ("ground", "card") if _contrast(colours[ink], colours[on]) < 4.5]
        assert len(inks) == 11
        assert poor == []


def _contrast(one: str, other: str) -> float:
    """As WCAG 2.2 defines the contrast ratio."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
