"""What the page must not decide: requests of other sites, of nobody, of no form, and what the store does not take."""

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest
from deciding import ADA, BO, Page, finding, granted, keep, life, page, stored
from sqlalchemy import text as sql

from auditor.store.database import Store
from auditor.terms import State
from auditor.web.forms import MAX_BODY
from auditor.web.guard import HEADERS

pytest_plugins = ["databases"]

FINDING = finding()
FORM = {"content-type": "application/x-www-form-urlencoded"}
ACKNOWLEDGE = f"/findings/{FINDING.id}/acknowledge"
EVERY = (ACKNOWLEDGE, f"/findings/{FINDING.id}/waive", "/waivers/w-1/end")


@pytest.fixture(autouse=True)
def filled(store: Store) -> None:
    keep(store, FINDING)


@pytest.fixture
async def web(store: Store) -> AsyncIterator[Page]:
    async with page(store) as opened:
        yield opened


def untouched(store: Store) -> bool:
    return stored(store, FINDING).state is State.OPEN and not life(store, FINDING) and not granted(store)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": ""},
        {"sec-fetch-site": "same-origin, cross-site"},
        {"sec-fetch-site": "cross-site", "origin": "$OWN"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "https://evil.example.net"},
        {"origin": "$OWN.evil.example.net"},
        {"origin": "$OWN/"},
        {"origin": "http://127.0.0.1"},
        {"origin": "http://localhost:1"},
        {"referer": "$OWN/findings"},
    ],
)
async def test_a_request_that_another_site_made_is_refused_though_the_password_came_with_it(
    web: Page, store: Store, headers: dict[str, str]
) -> None:
    own = str(web.http.base_url).rstrip("/")
    sent = {name: value.replace("$OWN", own) for name, value in headers.items()}
    signed = {name: value for name, value in web.as_(ADA).items() if name != "sec-fetch-site"}
    for path in EVERY:
        answer = await web.http.post(path, content="comment=x", headers={**signed, **sent, **FORM})
        assert (answer.status_code, answer.text) == (403, "This did not come from a form of this page.\n")
    assert untouched(store)


@pytest.mark.parametrize("sites", [("same-origin", "cross-site"), ("cross-site", "same-origin")])
async def test_two_words_about_the_site_are_none(web: Page, store: Store, sites: tuple[str, str]) -> None:
    signed = [(name, value) for name, value in web.as_(ADA).items() if name != "sec-fetch-site"]
    headers = [*signed, *FORM.items(), *(("sec-fetch-site", site) for site in sites)]
    assert (await web.http.post(ACKNOWLEDGE, content="comment=x", headers=headers)).status_code == 403
    assert untouched(store)


async def test_a_browser_on_plain_http_says_where_it_comes_from_by_origin_alone(web: Page, store: Store) -> None:
    own = str(web.http.base_url).rstrip("/")
    signed = {name: value for name, value in web.as_(ADA).items() if name != "sec-fetch-site"} | {"origin": own}
    assert (await web.http.post(ACKNOWLEDGE, content="comment=x", headers=signed | FORM)).status_code == 303
    assert HEADERS["referrer-policy"] == "same-origin", "with `no-referrer` that would be `Origin: null`"


async def test_a_name_that_rebinds_decides_nothing(web: Page, store: Store) -> None:
    port = urlsplit(str(web.http.base_url)).port
    headers = web.as_(ADA) | FORM | {"host": f"evil.example.net:{port}", "origin": f"http://evil.example.net:{port}"}
    assert (await web.http.post(ACKNOWLEDGE, content="comment=x", headers=headers)).status_code == 421
    assert untouched(store)


async def test_nobody_decides_without_a_name_and_its_password(web: Page, store: Store) -> None:
    for path in EVERY:
        for headers in ({"sec-fetch-site": "same-origin"}, web.as_(ADA, "wrong"), web.as_("nobody")):
            answer = await web.http.post(path, content="comment=x", headers=headers | FORM)
            assert answer.status_code == 401
    assert untouched(store)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY"])
async def test_other_methods_are_refused(web: Page, store: Store, method: str) -> None:
    for path in (*EVERY, "/", "/livez", "/metrics"):
        answer = await web.http.request(method, path, headers=web.as_(ADA) | FORM, content="comment=x")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST"), path
    assert untouched(store)


async def test_a_page_takes_no_form_and_a_form_shows_no_page(web: Page, store: Store) -> None:
    for path in ("/", "/findings", f"/findings/{FINDING.id}", "/waivers", "/livez", "/metrics", "/assets/page.css"):
        answer = await web.post(path, {"comment": "x"})
        assert (path, answer.status_code) == (path, 405)
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    for path in EVERY:
        answer = await web.get(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        assert answer.headers["content-security-policy"] == HEADERS["content-security-policy"]
    assert untouched(store)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"comment=" + b"x" * MAX_BODY, 413),
        (b"comment=" + b"x" * 1_000_000, 413),
        (b"comment=a&comment=b", 400),
        (b"comment=a&colour=b", 400),
        (b"&".join([b"comment=a"] * 5000), 400),
        (b"comment=%ff%fe", 400),
        (b"comment=%ED%A0%80", 400),
        (b"comment=\xff", 400),
        (b"comment", 303),
        (b"", 303),
    ],
)
async def test_a_body_is_bounded_and_read_strictly(web: Page, store: Store, content: bytes, status: int) -> None:
    answer = await web.http.post(ACKNOWLEDGE, content=content, headers=web.as_(ADA) | FORM)
    assert answer.status_code == status
    assert untouched(store) == (status != 303)
    assert (await web.get("/livez")).status_code == 200


async def test_a_body_in_pieces_without_a_length_is_bounded_too(web: Page, store: Store) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 1000

    answer = await web.http.post(ACKNOWLEDGE, content=endless(), headers=web.as_(ADA) | FORM)
    assert answer.status_code == 413
    assert untouched(store)


@pytest.mark.parametrize("type_", ["", "text/plain", "multipart/form-data; boundary=x", "application/json"])
async def test_what_is_no_form_is_refused(web: Page, store: Store, type_: str) -> None:
    headers = web.as_(ADA) | ({"content-type": type_} if type_ else {})
    answer = await web.http.post(ACKNOWLEDGE, content=b"comment=x", headers=headers)
    assert (answer.status_code, untouched(store)) == (415, True)


async def test_a_body_that_never_comes_is_not_waited_for(web: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditor.web.forms.SECONDS", 0.3)
    url = urlsplit(str(web.http.base_url))
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    lines = [f"POST {ACKNOWLEDGE} HTTP/1.1", f"host: {url.netloc}", "content-length: 100"]
    lines += [f"{name}: {value}" for name, value in (web.as_(ADA) | FORM).items()]
    writer.write("\r\n".join([*lines, "", "comment=x"]).encode())
    begun = time.monotonic()
    answer = await reader.readline()
    assert (b" 408 " in answer, time.monotonic() - begun < 5) == (True, True)
    writer.close()


@pytest.mark.parametrize("key", ["", "x", "0" * 15, "0" * 17, "0" * 15 + "\n", "../../../../etc", "A" * 16])
async def test_a_key_that_no_form_has_is_refused(web: Page, store: Store, key: str) -> None:
    assert (await web.waive(FINDING, key=key)).status_code == 400
    assert untouched(store)


async def test_nobody_is_sent_to_another_site(web: Page) -> None:
    for path in ("//evil.example.net/acknowledge", "/findings/%2f%2fevil.example.net/acknowledge",
                 "/waivers/%2f%2fevil.example.net/end", "/waivers/https:%2f%2fevil.example.net/end"):  # fmt: skip
        answer = await web.post(path, {})
        assert answer.status_code in {404, 405, 422}
        assert "location" not in answer.headers
    answer = await web.post(f"{ACKNOWLEDGE}?organization=//evil.example.net", {})
    assert answer.status_code == 400
    answer = await web.acknowledge(FINDING)
    assert answer.headers["location"].startswith("/findings/")


async def test_a_store_that_does_not_take_it_gives_the_form_back_with_every_word(web: Page, store: Store) -> None:
    with store.transaction() as tx:
        tx.execute(sql("ALTER TABLE transitions RENAME TO gone"))
    answers = [
        await web.acknowledge(FINDING, "who <b>does</b> what"),
        await web.waive(FINDING, reason="who <b>does</b> what", key="a" * 16),
    ]
    for answer in answers:
        assert answer.status_code == 503
        assert "the store does not answer right now" in answer.text
        assert "who &lt;b&gt;does&lt;/b&gt; what</textarea>" in answer.text
        assert "gone" not in answer.text
        assert "transitions" not in answer.text
    assert 'value="' + "a" * 16 in answers[1].text
    assert web.counted("failed") == 2
    with store.transaction() as tx:
        tx.execute(sql("ALTER TABLE gone RENAME TO transitions"))
    assert untouched(store), "nothing is half decided"
    assert (await web.waive(FINDING, reason="who does what", key="a" * 16)).status_code == 303


async def test_no_name_and_no_word_of_anybody_is_logged(web: Page, capsys: pytest.CaptureFixture[str]) -> None:
    await web.acknowledge(FINDING, "my secret words", BO)
    await web.waive(FINDING, reason="my secret words")
    await web.post("/waivers/other%0aline/end", {})
    out, err = capsys.readouterr()
    assert "page.decided" in out + err
    assert not [word for word in ("my secret", ADA, BO, "\nline") if word in out + err]


async def test_every_answer_to_a_form_carries_the_headers(web: Page) -> None:
    answers: list[httpx.Response] = [
        await web.acknowledge(FINDING),
        await web.waive(FINDING, reason=""),
        await web.waive(FINDING, BO),
        await web.post("/waivers/none/end", {}),
        await web.http.post(ACKNOWLEDGE, headers=web.as_(ADA)),
        await web.http.post(ACKNOWLEDGE),
    ]
    assert [answer.status_code for answer in answers] == [303, 422, 403, 422, 415, 403]
    for answer in answers:
        assert {name: answer.headers[name] for name in HEADERS} == dict(HEADERS)
