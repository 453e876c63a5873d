"""Somebody with a keyboard and a browser signs in, acknowledges, accepts a risk, sees the waiver and ends it."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
from anyio import to_thread
from browsing import Tab, tab
from deciding import ADA, BO, NOW, PASSWORD, Page, finding, granted, in_file, keep, life, page, stored

from auditor import clock
from auditor.store.database import Store
from auditor.terms import State

pytest_plugins = ["databases"]

FIRST, SECOND = finding("key_1"), finding("key_2", name="<script>alert(1)</script>")


@pytest.fixture
async def web(store: Store) -> AsyncIterator[Page]:
    keep(store, FIRST, SECOND)
    async with page(store, in_file()) as opened:
        yield opened


async def browsed(journey: Callable[[Tab, str], None], web: Page) -> None:
    """A journey in a thread, because the page is served by this one."""

    def travel() -> None:
        with tab() as browser:
            journey(browser, str(web.http.base_url).rstrip("/"))

    await to_thread.run_sync(travel)


async def test_the_whole_way_with_the_keyboard_alone(web: Page, store: Store, tmp_path: Path) -> None:
    await browsed(partial(_whole_way, pictures=tmp_path), web)
    assert life(store, FIRST) == [("acknowledged", ADA, "Cy removes it\ntoday")]
    (waiver,) = granted(store)
    assert (waiver.reason, waiver.ticket, waiver.owner) == ("It moves in May", "SEC-7", ADA)
    assert (waiver.ended_by, waiver.until) == (ADA, NOW)
    assert stored(store, SECOND).state is State.WAIVED, "until the next snapshot"


def _whole_way(browser: Tab, url: str, pictures: Path) -> None:
    browser.sign_in(ADA, PASSWORD)
    browser.look()
    browser.go(f"{url}/findings")
    assert (browser.asked, ADA in browser.text) == (1, True)
    _acknowledge(browser, url)
    _waive(browser, url, pictures)
    _end(browser, pictures)
    assert browser.asked == 1


def _acknowledge(browser: Tab, url: str) -> None:
    browser.go(f"{url}/findings/{FIRST.id}")
    browser.reach("#comment")
    browser.type("Cy removes it")
    browser.press("Enter")
    browser.type("today")
    browser.press("Tab")
    assert browser.says("document.activeElement.textContent") == "Acknowledge"
    browser.press("Enter", loads=True)
    assert browser.says("location.pathname") == f"/findings/{FIRST.id}"
    assert "Acknowledged by" in browser.text


def _waive(browser: Tab, url: str, pictures: Path) -> None:
    browser.go(f"{url}/findings/{SECOND.id}")
    browser.reach("#reason")
    browser.type("It moves in May")
    browser.reach("#until")
    last = clock.from_epoch(NOW + 30 * 86_400)
    for figure in f"{last:%m%d%Y}":
        browser.press(figure)
    assert browser.says("document.querySelector('#until').value") == f"{last:%Y-%m-%d}"
    browser.reach("#ticket")
    browser.type("SEC-7")
    _pictured(browser, pictures, "finding")
    browser.reach("form[aria-labelledby=waive] button")
    browser.press("Enter", loads=True)
    assert browser.says("location.pathname") == "/waivers"
    assert browser.says("document.querySelector('tr:target').innerText").startswith("w-")
    assert "It moves in May" in browser.text


def _end(browser: Tab, pictures: Path) -> None:
    browser.reach("tr:target summary")
    browser.press("Enter")
    _pictured(browser, pictures, "waivers")
    browser.reach("tr:target button")
    browser.press("Enter", loads=True)
    assert "ended by" in browser.text
    assert not browser.says("document.querySelectorAll('summary').length")


def _pictured(browser: Tab, pictures: Path, name: str) -> None:
    """In both widths and colours, and nothing stands out over the edge."""
    for width in (1280, 390):
        for dark in (False, True):
            browser.look(width=width, height=900, dark=dark)
            browser.picture(pictures / f"{name}-{width}-{'dark' if dark else 'light'}.png")
            assert browser.says("document.documentElement.scrollWidth") <= width
    browser.look()


async def test_a_wrong_password_shows_nothing_and_a_person_who_gives_up_is_told(web: Page, store: Store) -> None:
    def journey(browser: Tab, url: str) -> None:
        browser.sign_in(ADA, "wrong")
        browser.go(f"{url}/findings/{FIRST.id}")
        assert browser.asked == 2, "asked again, because it was wrong"
        assert browser.text.strip() == "Name or password is wrong."

    await browsed(journey, web)


async def test_every_field_has_a_label_and_every_objection_stands_beside_its_field(web: Page, store: Store) -> None:
    await browsed(_labelled, web)


def _labelled(browser: Tab, url: str) -> None:
    browser.sign_in(ADA, PASSWORD)
    browser.go(f"{url}/findings/{FIRST.id}")
    bare = "[...document.querySelectorAll('textarea, input:not([type=hidden]), select')].filter(e => !e.labels.length)"
    assert browser.says(f"{bare}.length") == 0
    browser.reach("#reason")
    browser.type("Because")
    browser.says("document.querySelector('#until').type = 'text'; document.querySelector('#until').value = 'soon'")
    browser.reach("form[aria-labelledby=waive] button")
    browser.press("Enter", loads=True)
    assert browser.says("document.querySelector('#reason').value") == "Because"
    described = "document.querySelector('[aria-invalid]').getAttribute('aria-describedby').split(' ')"
    said = browser.says(f"{described}.map(id => document.getElementById(id).innerText).join('|')")
    assert "Choose a day from today on" in said
    assert browser.says("document.querySelector('[role=alert]').innerText").startswith("Nothing was decided yet")


async def test_a_form_on_another_site_decides_nothing_though_the_browser_knows_the_password(
    web: Page, store: Store, tmp_path: Path
) -> None:
    """Another name of this machine is another site; so is a file."""
    form = '<form method="post" action="{}/findings/{}/acknowledge"><button autofocus>x</button></form>'

    def journey(browser: Tab, url: str) -> None:
        browser.sign_in(ADA, PASSWORD)
        browser.go(f"{url}/findings")
        (tmp_path / "evil.html").write_text(form.format(url, FIRST.id))
        browser.go((tmp_path / "evil.html").as_uri())
        browser.reach("button")
        browser.press("Enter", loads=True)
        assert browser.text.strip() == "This did not come from a form of this page."

    await browsed(journey, web)
    assert stored(store, FIRST).state is State.OPEN


async def test_who_may_not_accept_risks_sees_one_form(web: Page) -> None:
    def journey(browser: Tab, url: str) -> None:
        browser.sign_in(BO, PASSWORD)
        browser.go(f"{url}/findings/{FIRST.id}")
        assert browser.says("[...document.querySelectorAll('.decide h3')].map(e => e.innerText)") == ["Acknowledge"]
        browser.go(f"{url}/waivers")
        assert not browser.says("document.querySelectorAll('main form').length")

    await browsed(journey, web)
