"""Forms of the page over real HTTP and on both databases: what is decided, once, by whom, and what comes back."""

import asyncio
from dataclasses import replace

import pytest
from deciding import ADA, BO, DAY, LONGEST, NOW, day, finding, granted, in_file, keep, life, page, stored
from hostile import PAYLOADS
from markup import outline

from auditor import clock
from auditor.findings.model import Decision
from auditor.findings.waivers import Origin
from auditor.jobs import decisions
from auditor.store import waivers
from auditor.store.database import Store
from auditor.terms import State

pytest_plugins = ["databases"]

FINDING = finding()
OCCURRED = finding("key_2", occurrence=True)
FORMS = ('action="/findings/', 'method="post"')


@pytest.fixture(autouse=True)
def filled(store: Store) -> None:
    keep(store, FINDING, OCCURRED, finding("key_9", "beta"))


async def test_anybody_who_is_signed_in_acknowledges_with_a_comment(store: Store) -> None:
    async with page(store) as web:
        answer = await web.acknowledge(FINDING, "Cy removes it\r\ntoday", BO)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/findings/{FINDING.id}")
        shown = (await web.get(answer.headers["location"], BO)).text
        assert web.counted("acknowledged") == 1
    assert stored(store, FINDING).state is State.ACKNOWLEDGED
    assert life(store, FINDING) == [("acknowledged", BO, "Cy removes it\ntoday")]
    assert "Acknowledged by" in shown
    assert "Cy removes it" in shown
    assert "/acknowledge" not in shown, "nothing is left to acknowledge"


async def test_a_decider_accepts_a_risk_until_a_day(store: Store) -> None:
    async with page(store) as web:
        answer = await web.waive(FINDING, key=await web.key(FINDING))
        (waiver,) = granted(store)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/waivers#{waiver.id}")
        listed = (await web.get("/waivers")).text
        shown = (await web.get(f"/findings/{FINDING.id}")).text
    assert (waiver.reason, waiver.ticket, waiver.owner, waiver.by) == ("moves in May", "SEC-1", ADA, ADA)
    assert waiver.match.resource == ("proj_1/key_1",)
    assert stored(store, FINDING).state is State.WAIVED
    assert life(store, FINDING) == [("waived", ADA, "moves in May")]
    assert f'id="{waiver.id}"' in listed
    assert "moves in May" in listed
    assert f">{clock.from_epoch(waiver.until - 1):%-d %b %Y}<" in listed, "the last day, as it was written"
    assert "Waived by" in shown
    assert "/waive" not in shown.replace("/waivers", "")


async def test_a_form_that_is_sent_twice_does_it_once(store: Store) -> None:
    async with page(store) as web:
        key = await web.key(FINDING)
        twice = [await web.waive(FINDING, key=key) for _ in range(2)]
        assert [answer.status_code for answer in twice] == [303, 303]
        assert twice[0].headers["location"] == twice[1].headers["location"]
        (waiver,) = granted(store)
        ends = [await web.post(f"/waivers/{waiver.id}/end", {}) for _ in range(2)]
        assert [answer.status_code for answer in ends] == [303, 303]
        other = finding("key_3")
        keep(store, other)
        assert [(await web.acknowledge(other, "once")).status_code for _ in range(2)] == [303, 303]
    assert len(granted(store)) == 1
    assert life(store, FINDING) == [("waived", ADA, "moves in May")]
    assert life(store, other) == [("acknowledged", ADA, "once")]


async def test_forms_that_are_sent_at_the_same_time_do_it_once(store: Store) -> None:
    other = finding("key_3")
    keep(store, other)
    async with page(store) as web:
        key = await web.key(FINDING)
        answers = await asyncio.gather(
            *(web.waive(FINDING, key=key) for _ in range(6)), *(web.acknowledge(other, "once") for _ in range(6))
        )
        assert {answer.status_code for answer in answers} == {303}
        (waiver,) = granted(store)
        ends = await asyncio.gather(*(web.post(f"/waivers/{waiver.id}/end", {}) for _ in range(6)))
        assert {answer.status_code for answer in ends} == {303}
    assert len(life(store, FINDING)) == len(life(store, other)) == 1


async def test_the_same_key_of_somebody_else_or_of_another_finding_is_another_waiver(store: Store) -> None:
    other = finding("key_3")
    keep(store, other)
    async with page(store) as web:
        for found in (FINDING, other):
            assert (await web.waive(found, key="a" * 16)).status_code == 303
    assert len(granted(store)) == 2


async def test_pinned_facts_are_kept_and_cover_nothing_before_the_next_snapshot(store: Store) -> None:
    async with page(store) as web:
        assert (await web.waive(FINDING, pinned="name, owner.email")).status_code == 303
        listed = (await web.get("/waivers")).text
        answer = await web.waive(OCCURRED)
        assert answer.status_code == 409
        assert "cannot be accepted for a time" in answer.text
        wrong = await web.waive(FINDING, key="1" * 16, pinned="colour")
        assert wrong.status_code == 422
        assert "has a field `colour`" in wrong.text
    (waiver,) = granted(store)
    assert waiver.pinned == ("name", "owner.email")
    assert stored(store, FINDING).state is State.OPEN
    assert "pins name, owner.email" in listed


async def test_nobody_is_offered_or_granted_what_cannot_be_accepted(store: Store) -> None:
    log = finding("api", policy="audit-log-hole", kind="audit_log", id="0a1b2c3d4e5f6a7b")
    keep(store, log)
    async with page(store) as web:
        shown = (await web.get(f"/findings/{log.id}")).text
        answer = await web.waive(log)
    assert "/acknowledge" in shown
    assert f"/findings/{log.id}/waive" not in shown
    assert answer.status_code == 409
    assert "Nobody can accept what audit-log-hole finds. Acknowledge it." in answer.text
    assert granted(store) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"reason": ""}, "Say why the risk is accepted"),
        ({"reason": " \n "}, "Say why the risk is accepted"),
        ({"reason": "x" * 2001}, "in 2000 characters at most"),
        ({"until": ""}, f"{day(LONGEST)} at the latest"),
        ({"until": day(-2)}, "Choose a day from today on"),
        ({"until": day(LONGEST + 2)}, f"{day(LONGEST)} at the latest"),
        ({"until": "tomorrow"}, "Choose a day from today on"),
        ({"until": "9999-99-99"}, "Choose a day from today on"),
        ({"until": "<script>"}, "Choose a day from today on"),
        ({"ticket": "x" * 201}, "At most 200 characters."),
        ({"pinned": "name " * 80 + "'\"><script>"}, "has a field"),
    ],
)
async def test_what_is_wrong_comes_back_on_the_form_with_what_was_written(
    store: Store, fields: dict[str, str], words: str
) -> None:
    async with page(store) as web:
        answer = await web.waive(FINDING, **{"reason": 'my <b>own</b> "words"', "key": "abcdef0123456789", **fields})
        assert answer.status_code == 422
        assert (outline(answer.text).faults, words in answer.text) == ([], True), answer.text
        assert "<script>" not in answer.text
        assert 'value="abcdef0123456789"' in answer.text, "the key stays, so that it is still one waiver"
        assert ("my &lt;b&gt;own&lt;/b&gt; &#34;words&#34;</textarea>" in answer.text) == ("reason" not in fields)
        assert 'aria-invalid="true"' in answer.text
        assert web.counted("invalid") == 1
    assert granted(store) == []
    assert life(store, FINDING) == []


async def test_the_last_day_that_the_form_offers_is_accepted(store: Store) -> None:
    async with page(store) as web:
        assert f'max="{day(LONGEST)}"' in (await web.get(f"/findings/{FINDING.id}")).text
        assert (await web.waive(FINDING, until=day(LONGEST))).status_code == 303


async def test_a_comment_that_is_too_long_comes_back(store: Store) -> None:
    async with page(store) as web:
        answer = await web.acknowledge(FINDING, "y" * 2001)
        assert (answer.status_code, "At most 2000 characters." in answer.text) == (422, True)
        assert "y" * 2001 in answer.text
        assert (await web.acknowledge(FINDING, "\U0001f511" * 2000)).status_code == 303
    assert life(store, FINDING) == [("acknowledged", ADA, "\U0001f511" * 2000)]


async def test_a_finding_that_is_resolved_meanwhile_says_so_and_what_was_written_is_not_lost(store: Store) -> None:
    async with page(store) as web:
        key = await web.key(FINDING)
        keep(store, replace(FINDING, state=State.RESOLVED, resolved_at=NOW))
        for answer in (await web.waive(FINDING, key=key), await web.acknowledge(FINDING, "moves in May")):
            assert answer.status_code == 409
            assert "The finding is resolved: nothing is left to decide." in answer.text
            assert "moves in May" in answer.text
            assert not all(form in answer.text for form in FORMS)
        assert web.counted("stale") == 2
    assert (granted(store), life(store, FINDING)) == ([], [])


async def test_what_somebody_else_decided_meanwhile_is_told(store: Store) -> None:
    async with page(store) as web:
        await web.acknowledge(FINDING, "mine", BO)
        answer = await web.acknowledge(FINDING, "no, mine")
        assert (answer.status_code, f"{BO} has acknowledged it already." in answer.text) == (409, True)
        assert (await web.waive(FINDING)).status_code == 303, "an acknowledged risk may still be accepted"
        answer = await web.waive(FINDING, key="2" * 16)
        assert (answer.status_code, f"waived already by {ADA} until {day(30)}" in answer.text) == (409, True)
    assert [reason for reason, *_ in life(store, FINDING)] == ["acknowledged", "waived"]


async def test_who_may_not_accept_risks_sees_no_form_and_is_refused(store: Store) -> None:
    async with page(store, in_file()) as web:
        shown = (await web.get(f"/findings/{FINDING.id}", BO)).text
        assert ("/acknowledge" in shown, "Accept the risk" in shown) == (True, False)
        answer = await web.waive(FINDING, BO)
        assert (answer.status_code, "You are not one of those who may accept risks" in answer.text) == (403, True)
        await web.waive(FINDING)
        (waiver,) = granted(store)
        assert "/end" not in (await web.get("/waivers", BO)).text
        answer = await web.post(f"/waivers/{waiver.id}/end", {}, BO)
        assert (answer.status_code, "You are not one of those who may accept risks" in answer.text) == (403, True)
        assert web.counted("refused") == 2
    assert granted(store)[0].until > NOW


async def test_a_decider_ends_a_waiver_of_the_store_and_none_of_the_file(store: Store) -> None:
    async with page(store, in_file()) as web:
        await web.waive(FINDING)
        (waiver,) = granted(store)
        shown = (await web.get("/waivers")).text
        assert shown.count("End it now") == 1
        assert shown.index("old-keys") < shown.index(waiver.id), "what ends first stands first"
        assert "of the file" in shown
        answer = await web.post(f"/waivers/{waiver.id}/end", {})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/waivers#{waiver.id}")
        shown = (await web.get("/waivers")).text
        assert "ended by" in shown
        assert "End it now" not in shown
        for id_ in ("old-keys", "w-none", "<script>"):
            answer = await web.post(f"/waivers/{id_}/end", {})
            assert answer.status_code == 422
            assert "<script>" not in answer.text
            assert '<form method="get" action="/waivers">' in answer.text, "what is shown has no address of its own"
    (ended,) = granted(store)
    assert (ended.ended_by, ended.until) == (ADA, NOW)


async def test_a_waiver_that_somebody_else_ended_says_so(store: Store) -> None:
    async with page(store) as web:
        await web.waive(FINDING)
        (waiver,) = granted(store)
        decisions.end(store, "acme", waiver.id, "cy@example.com", NOW, LONGEST * DAY)
        answer = await web.post(f"/waivers/{waiver.id}/end", {})
    assert (answer.status_code, "is over already" in answer.text) == (422, True)
    assert granted(store)[0].ended_by == "cy@example.com"


async def test_a_waiver_that_lasts_too_long_by_now_is_shown_with_its_end(store: Store) -> None:
    long = in_file(id="w-long", origin=Origin.STORE, on=NOW, until=NOW + 300 * DAY + 1)
    with store.transaction() as tx:
        waivers.write(tx, "acme", long, NOW)
    async with page(store) as web:
        shown = (await web.get("/waivers")).text
        report = (await web.get("/report")).text
    ends = clock.from_epoch(NOW + LONGEST * DAY)
    for text in (shown, report):
        assert f"longer than findings.max_waiver allows: ends {clock.last_day(NOW + LONGEST * DAY)}" in text
        assert f'datetime="{ends:%Y-%m-%dT%H:%M:%SZ}"' in text


async def test_faults_of_waivers_stand_on_the_page_as_the_command_tells_them(store: Store) -> None:
    late = in_file(id="over", until=NOW - 1)
    broad = in_file(id="broad", match=replace(in_file().match, policy=("nothing-like-it",)))
    async with page(store, late, broad) as web:
        shown = (await web.get("/waivers")).text
    assert "expired: delete it, or renew it after a review" in shown
    assert "no policy is named `nothing-like-it`" in shown


async def test_another_organization_keeps_its_waivers_and_its_links(store: Store) -> None:
    found = finding("key_9", "beta")
    async with page(store) as web:
        shown = (await web.get(f"/findings/{found.id}?organization=beta")).text
        assert f'action="/findings/{found.id}/waive?organization=beta"' in shown
        answer = await web.waive(found)
        (waiver,) = granted(store, "beta")
        assert answer.headers["location"] == f"/waivers?organization=beta#{waiver.id}"
        assert waiver.id not in (await web.get("/waivers")).text
        assert (await web.post(f"/waivers/{waiver.id}/end", {})).status_code == 422, "it is none of acme's"
        answer = await web.post(f"/waivers/{waiver.id}/end?organization=beta", {})
        assert answer.headers["location"] == f"/waivers?organization=beta#{waiver.id}"
    assert granted(store) == []


@pytest.mark.parametrize("text", [*PAYLOADS, "<!channel> <@U1>", "\x1b[2J\x00\u202e", "a\rb", "\ud83d"])
async def test_hostile_words_are_kept_as_they_can_be_seen(store: Store, text: str) -> None:
    async with page(store) as web:
        sent = {"comment": text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")[:1900]}
        assert (await web.post(f"/findings/{FINDING.id}/acknowledge", sent)).status_code == 303
        assert (await web.waive(FINDING, reason=f"because {sent['comment']}")).status_code == 303
        shown = [await web.get(path) for path in (f"/findings/{FINDING.id}", "/waivers", "/findings", "/")]
    for answer in shown:
        assert (answer.status_code, outline(answer.text).faults) == (200, [])
        assert not {"script", "img", "svg onload", "iframe"} & set(outline(answer.text).tags) - {"svg"}
    kept = [comment for _, _, comment in life(store, FINDING)]
    assert all(letter.isprintable() or letter == "\n" for comment in kept for letter in comment)


async def test_what_a_command_says_of_a_decision_of_the_page_is_the_same(store: Store) -> None:
    async with page(store) as web:
        await web.acknowledge(FINDING, "seen")
    found = stored(store, FINDING)
    assert found.decision == Decision(ADA, NOW, "seen")
    assert decisions.acknowledge(store, FINDING.id, ADA, "again", NOW + 5) == found


async def test_a_page_without_users_offers_nothing_to_decide(store: Store) -> None:
    async with page(store, users=()) as web:
        shown = (await web.http.get(f"/findings/{FINDING.id}")).text
        assert ('method="post"' in shown, "Signed in" in shown) == (False, False)
        for path in (f"/findings/{FINDING.id}/acknowledge", f"/findings/{FINDING.id}/waive", "/waivers/w-1/end"):
            answer = await web.http.post(path, data={"comment": "x"}, headers={"sec-fetch-site": "same-origin"})
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
            assert (await web.http.get(path)).status_code == 405
    assert life(store, FINDING) == []


async def test_deciders_are_those_of_the_configuration_in_force(store: Store) -> None:
    async with page(store, users=(BO,)) as web:
        assert (await web.waive(FINDING)).status_code == 401, "Ada may not even come"
        web.people[ADA] = web.people[BO]
        assert (await web.waive(FINDING)).status_code == 303
