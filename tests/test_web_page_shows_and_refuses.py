"""The page over real HTTP: what it shows, what it refuses, and the headers of every answer."""

import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import browser
import httpx
import pytest
import sample
from hostile import PAYLOADS
from markup import outline
from sqlalchemy import text as sql

from auditor.findings.model import Finding
from auditor.policy.model import Policy
from auditor.store import events, reports, watermarks
from auditor.store.database import Store, open_store
from auditor.store.events import StoredEvent
from auditor.store.watermarks import Watermark
from auditor.terms import Status, Stream
from auditor.web.app import create_app
from auditor.web.guard import HEADERS
from auditor.web.metrics import Metrics
from auditor.web.reader import PageReader
from auditor.web.server import serve

PAGES = ("/", "/findings", "/waivers", "/policies", "/events", "/coverage", "/deliveries", "/reports", "/report")
PLAIN = ("/livez", "/readyz", "/healthz", "/metrics", "/assets/style.css", "/assets/page.css")


Client = AsyncIterator[httpx.AsyncClient]
Policies = Mapping[str, Policy]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("filled") / "auditor.db"
    opened = open_store(f"sqlite:///{file}")
    sample.fill(opened)
    opened.close()
    return file


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """For the whole module, so that one server serves all tests that only look."""
    return "asyncio"


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{shutil.copy(filled, tmp_path)}")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
async def http(filled: Path) -> AsyncIterator[httpx.AsyncClient]:
    opened = open_store(f"sqlite:///{filled}")
    async with serving(opened) as client:
        yield client
    opened.close()


@asynccontextmanager
async def serving(store: Store, policies: Callable[[], Policies] = lambda: sample.POLICIES) -> Client:
    """A client of the page on `store`."""
    read = PageReader(store, ("acme", "beta"), policies, lambda: sample.NOW)
    metrics = Metrics(store, ("acme", "beta"), lambda: sample.NOW)
    app = create_app(read, metrics.render, lambda: (), lambda: (), hosts=("audit.example.com",))
    async with serve(app, "127.0.0.1", 0) as url, httpx.AsyncClient(base_url=url) as client:
        yield client


def _id(policy: str) -> str:
    return next(finding.id for finding in sample.FINDINGS if finding.policy == policy)


async def test_every_page_answers_with_whole_html_and_one_heading(http: httpx.AsyncClient) -> None:
    for path in (*PAGES, f"/findings/{_id('ip-allowlist-missing')}"):
        answer = await http.get(path)
        assert answer.status_code == 200, path
        seen = outline(answer.text)
        assert (path, seen.faults, seen.tags.count("h1")) == (path, [], 1)
        assert not {"script", "iframe"} & set(seen.tags)
        assert "style" not in seen.attribute_names, path


async def test_every_answer_carries_the_headers_refusals_too(http: httpx.AsyncClient) -> None:
    paths = (*PAGES, *PLAIN, "/nothing", "/findings?page=x", f"/?q={'x' * 3000}")
    answers = [await http.get(path) for path in paths]
    answers += [await http.post("/"), await http.get("/", headers={"host": "evil.example.net"})]
    for answer in answers:
        for name in HEADERS:
            assert name in answer.headers, (answer.url, name)
        assert "'unsafe-inline'" not in answer.headers["content-security-policy"] or answer.url.path == "/report"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers
    cached = [a.url.path for a in answers if a.headers["cache-control"] != "no-store"]
    assert cached == ["/assets/style.css", "/assets/page.css"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_nothing_but_reading_is_allowed(http: httpx.AsyncClient, method: str) -> None:
    for path in (*PAGES, *PLAIN):
        answer = await http.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_head_answers_like_get_without_a_body(http: httpx.AsyncClient) -> None:
    for path in (*PAGES, *PLAIN):
        answer = await http.head(path)
        assert (path, answer.status_code, answer.content) == (path, 200, b"")


@pytest.mark.parametrize("host", ["evil.example.net", "127.0.0.1.evil.example.net:80", "", "localhost:x", "[::2]"])
async def test_a_name_that_rebinds_to_loopback_is_refused(http: httpx.AsyncClient, host: str) -> None:
    for path in (*PAGES, "/metrics", "/assets/style.css"):
        assert (await http.get(path, headers={"host": host})).status_code == 421, path


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:1234", "[::1]:80", "audit.example.com", "AUDIT.example.com:443"]
)
async def test_loopback_and_configured_names_are_served(http: httpx.AsyncClient, host: str) -> None:
    assert (await http.get("/reports", headers={"host": host})).status_code == 200


async def test_the_health_routes_answer_by_any_name(http: httpx.AsyncClient) -> None:
    for path in ("/livez", "/readyz", "/healthz"):
        answer = await http.get(path, headers={"host": "10.0.0.7:9847"})
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_what_is_not_ready_is_503_with_words_of_our_own(store: Store) -> None:
    read = PageReader(store, ("acme",), dict, lambda: sample.NOW)
    app = create_app(read, lambda: b"", lambda: ("store", "audit log"), lambda: ())
    async with serve(app, "127.0.0.1", 0) as url, httpx.AsyncClient(base_url=url) as client:
        ready, live = await client.get("/readyz"), await client.get("/livez")
    assert (ready.status_code, ready.json()) == (503, {"status": "unavailable", "reasons": ["store", "audit log"]})
    assert live.status_code == 200


async def test_findings_are_filtered_by_level_state_and_policy(http: httpx.AsyncClient) -> None:
    async def names(query: str) -> str:
        return (await http.get(f"/findings?{query}")).text

    critical = await names("level=critical")
    assert "Ivo Kranz" in critical
    assert "batch-3" not in critical
    assert "old-terraform" in await names("state=resolved")
    assert "old-terraform" not in await names("")
    limits = await names("policy=project-without-rate-limit&state=waived")
    assert limits.count('<tr><td data-label="Level">') == 1


async def test_findings_come_worst_first_and_page_by_page(http: httpx.AsyncClient) -> None:
    first = (await http.get("/findings")).text
    second = (await http.get("/findings?page=2")).text
    row = '<tr><td data-label="Level">'
    assert (first.count(row), second.count(row)) == (50, len(sample.FINDINGS) - 50)
    assert first.index("#m-critical", first.index("<tbody>")) < first.index("#m-high", first.index("<tbody>"))
    assert 'href="?page=2"' in first
    assert 'href="?page=1"' in second
    assert 'rel="next"' not in second


async def test_one_finding_tells_who_did_it_and_what_proves_it(http: httpx.AsyncClient) -> None:
    text = (await http.get(f"/findings/{_id('ip-allowlist-missing')}")).text
    assert "bo@example.com (user_2) from 203.0.113.9" in text
    assert "audit_log-20251123-77" in text
    assert "5f" * 32 in text


@pytest.mark.parametrize(
    "query",
    ["level=fatal", "state=gone", "page=0", "page=-1", "page=999", "page=1e3", "page=²", "policy=<script>",
     "organization=nobody", "unheard=1"],
)  # fmt: skip
async def test_a_query_that_is_not_understood_is_refused_without_repeating_it(
    http: httpx.AsyncClient, query: str
) -> None:
    answer = await http.get(f"/findings?{query}")
    assert answer.status_code == 400
    assert not [
        word for word in ("fatal", "gone", "999", "1e3", "²", "&lt;", "nobody", "unheard") if word in answer.text
    ]


@pytest.mark.parametrize("path", ["/findings/none", "/reports/../../etc/passwd", "/assets/../style.css", "/assets/x"])
async def test_what_does_not_exist_is_not_found_and_says_nothing_else(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert answer.status_code == 404
    assert "Traceback" not in answer.text


async def test_another_organization_is_shown_on_request_and_links_stay_with_it(http: httpx.AsyncClient) -> None:
    text = (await http.get("/?organization=beta")).text
    assert "nothing can be said about it" in text
    assert 'href="/findings?organization=beta"' in text


async def test_a_written_report_is_served_by_its_digest_until_it_is_altered(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "2025-W47.html"
    file.write_text("<!doctype html><title>written</title>")
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    with store.transaction() as tx:
        reports.add(tx, "acme", "2025-W47", sample.NOW, str(file), sha256)
    async with serving(store) as http:
        assert f'href="/reports/{sha256}"' in (await http.get("/reports")).text
        answer = await http.get(f"/reports/{sha256}")
        assert answer.text == "<!doctype html><title>written</title>"
        assert "'unsafe-inline'" in answer.headers["content-security-policy"]
        file.write_text("<!doctype html><title>altered</title>")
        assert (await http.get(f"/reports/{sha256}")).status_code == 404


async def test_a_store_that_does_not_answer_is_503_without_details(store: Store) -> None:
    with store.transaction() as tx:
        tx.execute(sql("DROP TABLE transitions"))
    async with serving(store) as http:
        answer = await http.get("/")
        assert answer.status_code == 503
        assert "transitions" not in answer.text
        assert (await http.get("/livez")).status_code == 200


async def test_a_bug_is_500_without_details(store: Store) -> None:
    def broken() -> Policies:
        raise RuntimeError("secret detail")

    async with serving(store, broken) as http:
        answer = await http.get("/policies")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["content-security-policy"] == HEADERS["content-security-policy"]


async def test_hostile_names_change_no_structure_of_any_page_in_a_browser(tmp_path: Path) -> None:
    skeletons = []
    for texts in (PAYLOADS, ("harmless",) * len(PAYLOADS)):
        opened = open_store(f"sqlite:///{tmp_path / texts[-1].encode().hex()[:8]}.db")
        _name_everything(opened, texts)
        async with serving(opened) as client:
            pages = [(await client.get(path)).text for path in ("/", "/findings", "/events", "/coverage")]
        opened.close()
        seen = [outline(page) for page in pages]
        assert [each.faults for each in seen] == [[]] * len(seen)
        (tmp_path / "all.html").write_text(pages[1] + pages[2], encoding="utf-8")
        dom = outline(browser.dom((tmp_path / "all.html").as_uri()))
        assert not [each for tag in ("html", "body") for each in dom.attributes(tag) if "pwned" in each]
        skeletons.append([each.skeleton for each in (*seen, dom)])
    assert skeletons[0] == skeletons[1]


def _name_everything(store: Store, texts: tuple[str, ...]) -> None:
    """Findings and events whose every text is one of `texts`."""
    extra = [_named(number, text) for number, text in enumerate(texts)]
    sample.fill(store, extra)
    with store.transaction() as tx:
        events.insert(tx, "acme", [_event(number, text) for number, text in enumerate(texts)])
        watermarks.write(tx, "acme", Stream.TENANT, Watermark(None, sample.NOW, Status.FAILED, texts[0]))


def _named(number: int, text: str) -> Finding:
    made = sample.finding("project-key-stale", (f"odd_{number}",), text, text, owner=text, actor=text, matched=[text])
    return replace(made, ids=(text, f"odd_{number}"))


def _event(number: int, text: str) -> StoredEvent:
    person = {"id": text, "email": text}
    actor = {"type": "session", "session": {"ip_address": text, "user": person}}
    raw = json.dumps({"id": f"e{number}", "type": "x", "actor": actor, "project": {"id": text, "name": text}})
    return StoredEvent(f"e{number}", f"x.{number}", sample.NOW + number, sample.NOW, Stream.ORGANIZATION, raw.encode())
