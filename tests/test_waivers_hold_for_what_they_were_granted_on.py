"""Waivers: what they cover, for how long, on which facts; and the file they stand in, which is refused line by line."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from auditor.entries import DAY, MAX_BYTES
from auditor.errors import FaultyFiles
from auditor.findings.matcher import Matcher
from auditor.findings.model import Decision, Finding, Reason, Transition, identity
from auditor.findings.protected import reach
from auditor.findings.waiverbook import Known, Limits, Standing, faults
from auditor.findings.waiverfile import read
from auditor.findings.waivers import Decided, Origin, Use, Waiver, decide
from auditor.inventory.model import Unknown
from auditor.jobs.decisions import match_of
from auditor.policy.model import Policy
from auditor.terms import Level, State

KIND = "project_api_key"
FINDING = Finding(
    id=identity("acme", "stale", KIND, ("proj_1", "key_1")),
    organization="acme",
    policy="stale",
    kind=KIND,
    ids=("proj_1", "key_1"),
    name="<!channel> key_2",
    level=Level.HIGH,
    state=State.OPEN,
    title="Stale key",
    message="unused",
    opened_at=100,
    seen_at=100,
    changed_at=100,
    evidence={"owner": "key_3", "owner_ids": ["ada@example.com", "user_1"]},
)
POLICY = Policy("stale", "Stale key", KIND, Level.HIGH)
POLICIES = {"stale": POLICY}
WAIVER = Waiver("old", Matcher(policy=("stale",)), "legacy", "ada@example.com", on=0, until=1000, ticket="SEC-1")


class Book:
    """A finding from pass to pass, with what is remembered of waivers."""

    def __init__(self, finding: Finding = FINDING) -> None:
        self.finding = finding
        self.uses: dict[tuple[str, str], Use] = {}
        self.last = Decided()

    def go(
        self,
        *waivers: Waiver,
        now: int = 200,
        facts: Mapping[str, object] | None = None,
        policies: Mapping[str, Policy] = POLICIES,
    ) -> tuple[State, Sequence[Reason]]:
        self.last = decide(waivers, [self.finding], lambda _: facts, self.uses, policies, now)
        self.uses |= {(use.waiver, use.finding): use for use in self.last.uses}
        self.finding = next(iter(self.last.findings), self.finding)
        return self.finding.state, [change.reason for change in self.last.transitions]

    @property
    def change(self) -> Transition:
        (change,) = self.last.transitions
        return change


def test_a_waiver_covers_from_its_day_until_its_end_and_says_who_why_and_until_when() -> None:
    book = Book()
    later = replace(WAIVER, on=200)
    assert book.go(later, now=199) == (State.OPEN, [])
    assert book.go(later, now=200) == (State.WAIVED, [Reason.WAIVED])
    assert book.finding.decision == Decision("ada@example.com", 200, "legacy", "old", 1000)
    change = book.change
    assert (change.before, change.by, change.comment, change.waiver, change.until) == (
        *(State.OPEN, "ada@example.com", "legacy"),
        *("old", 1000),
    )
    assert book.go(later, now=999) == (State.WAIVED, [])
    assert book.go(later, now=1000) == (State.REOPENED, [Reason.WAIVER_EXPIRED])
    assert book.change.finding.decision is None
    assert book.change.finding.stands_since == 1000
    assert book.change.waiver == "old"


@pytest.mark.parametrize("state", [State.OPEN, State.ACKNOWLEDGED, State.REOPENED])
def test_whatever_stands_can_be_waived_and_is_open_again_when_the_waiver_is_gone(state: State) -> None:
    book = Book(replace(FINDING, state=state))
    assert book.go(WAIVER) == (State.WAIVED, [Reason.WAIVED])
    assert book.go() == (State.REOPENED, [Reason.WAIVER_REMOVED])


def test_a_renewed_waiver_and_another_one_that_takes_over_are_written_down() -> None:
    book = Book()
    book.go(WAIVER)
    longer = replace(WAIVER, until=2000)
    assert book.go(longer, now=300) == (State.WAIVED, [Reason.WAIVED])
    assert (book.change.before, book.change.until) == (State.WAIVED, 2000)
    other = replace(WAIVER, id="other", until=3000)
    assert book.go(longer, other, now=400) == (State.WAIVED, []), "the one that covers it stays"
    assert book.go(other, now=500) == (State.WAIVED, [Reason.WAIVED])
    assert book.go(replace(other, reason="reviewed"), now=600) == (State.WAIVED, [])
    assert book.finding.decision == Decision("ada@example.com", 500, "reviewed", "other", 3000)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (Matcher(policy=("st*",)), True),
        (Matcher(policy=("other", "stale")), True),
        (Matcher(policy=("STALE",)), False),
        (Matcher(resource=("key_1",)), True),
        (Matcher(resource=("proj_1/key_*",)), True),
        (Matcher(resource=("key_2", "<!channel> key_2", "*key_2")), False),
        (Matcher(project=("proj_1",)), True),
        (Matcher(project=("key_1",)), False),
        (Matcher(project=("proj_*",)), True),
        (Matcher(project=("proj_2*", "*key*")), False),
        (Matcher(owner=("ada@example.com",)), True),
        (Matcher(owner=("user_1",)), True),
        (Matcher(owner=("Ada@Example.com",)), True),
        (Matcher(owner=("*@Example.com",)), True),
        (Matcher(owner=("*@example.net", "ada")), False),
        (Matcher(owner=("user_?",)), True),
        (Matcher(policy=("stal[e]",)), False),
        (Matcher(owner=("key_3",)), False),
        (Matcher(organization=("acme",), kind=(KIND,), level=(Level.HIGH,)), True),
        (Matcher(organization=("other",)), False),
        (Matcher(kind=("user",)), False),
        (Matcher(level=(Level.LOW,)), False),
        (Matcher(policy=("stale",), resource=("key_9",)), False),
    ],
)
def test_it_matches_by_ids_and_never_by_what_members_choose(match: Matcher, fits: bool) -> None:
    state, _ = Book().go(replace(WAIVER, match=match))
    assert (state is State.WAIVED) is fits


@pytest.mark.parametrize("id_", ["key_[1]", "[!k]*", "[[]", "k?y", "[*]"])
def test_what_was_granted_for_one_resource_matches_it_and_no_other(id_: str) -> None:
    odd = replace(FINDING, ids=("proj_1", id_))
    match = Matcher(**{name: tuple(values) for name, values in match_of(odd).items()})  # type: ignore[arg-type]
    assert match.matches(odd)
    assert not any(match.matches(replace(FINDING, ids=("proj_1", each))) for each in ("key_1", "xx", "kay", "[", "*"))
    assert Matcher(resource=("key_[1]",)).matches(odd) is (id_ == "key_[1]")


def test_a_project_is_in_itself_and_an_event_in_none() -> None:
    inside = Matcher(project=("proj_1",))
    assert inside.matches(replace(FINDING, kind="project", ids=("proj_1",)))
    assert not inside.matches(replace(FINDING, kind="audit_event", ids=("proj_1",)))
    assert not inside.matches(replace(FINDING, ids=("*",)))
    assert not Matcher(project=("*",)).matches(replace(FINDING, kind="audit_event", ids=("proj_1",)))


def test_a_glob_of_projects_or_owners_makes_no_waiver_narrow() -> None:
    where = Matcher(project=("proj_*",), owner=("*@example.com",))
    assert not where.narrow
    assert not replace(where, policy=("*",), resource=("*/*",)).narrow
    assert replace(where, policy=("key-*",)).narrow


@pytest.mark.parametrize(
    ("owner", "seen", "doubt"),
    [
        ("ada@example.com", ["user_1"], True),
        ("ada@example.com", [], True),
        ("user_1", ["user_2"], False),
        ("user_1", ["bob@example.com"], True),
        ("user_1", [], True),
        ("*@example.com", ["user_1"], True),
        ("*@example.com", ["ada@example.net"], False),
        ("user_*", ["key_2"], True),
        ("user_*", ["key_2", "ada@example.com"], False),
    ],
)
def test_only_an_owner_who_could_not_be_seen_is_in_doubt(owner: str, seen: list[str], doubt: bool) -> None:
    hidden = replace(FINDING, evidence={**FINDING.evidence, "owner_ids": seen, "owner_unseen": True})
    assert Matcher(owner=(owner,)).in_doubt(hidden) is doubt
    assert not Matcher(owner=(owner,), policy=("other",)).in_doubt(hidden)
    assert not Matcher(owner=(owner,)).in_doubt(replace(FINDING, evidence={"owner_ids": seen}))


MARKED = replace(POLICY, tags=("keys.expiry", "auditor.unmutable"))


def test_nothing_covers_what_nothing_may_hold_back() -> None:
    everything = replace(WAIVER, match=Matcher(policy=("*",)))
    log = Book(replace(FINDING, kind="audit_log", ids=("api",)))
    assert log.go(everything) == (State.OPEN, [])
    assert log.last.matched == {"old": 0}
    book = Book()
    assert book.go(everything) == (State.WAIVED, [Reason.WAIVED])
    assert book.go(everything, now=300, policies={"stale": MARKED}) == (State.REOPENED, [Reason.WAIVER_REMOVED])
    assert book.go(everything, now=400, policies={"stale": MARKED}) == (State.REOPENED, [])


@pytest.mark.parametrize(
    ("match", "covered", "beyond"),
    [
        (Matcher(policy=("*",)), ["plain"], ["audit-log-hole", "stale"]),
        (Matcher(policy=("audit-log-*",)), [], ["audit-log-hole"]),
        (Matcher(policy=("audit-log-*", "pl*")), ["plain"], ["audit-log-hole"]),
        (Matcher(kind=("audit_log",)), [], ["audit-log-hole"]),
        (Matcher(project=("proj_1",)), ["plain"], ["stale"]),
        (Matcher(owner=("ada@example.com",)), ["plain"], ["stale"]),
        (Matcher(level=(Level.LOW,), kind=(KIND,)), ["plain"], []),
        (Matcher(policy=("none",)), [], []),
    ],
)
def test_what_a_waiver_cannot_cover_is_known_before_it_is_found(
    match: Matcher, covered: list[str], beyond: list[str]
) -> None:
    log = Policy("audit-log-hole", "T", "audit_log", Level.HIGH)
    found = reach(match, [log, MARKED, Policy("plain", "T", KIND, Level.LOW)])
    assert (list(found.covered), list(found.beyond)) == (covered, beyond)
    assert found.is_vain is (bool(beyond) and not covered)


PINNED = replace(WAIVER, pinned=("owner.email", "name"))
FACTS = {"owner.email": "ada@example.com", "name": "ci"}


def test_facts_that_were_pinned_by_name_are_recorded_and_one_that_changes_makes_it_void_for_good() -> None:
    book = Book()
    assert book.go(PINNED, facts=FACTS) == (State.WAIVED, [Reason.WAIVED])
    assert book.uses["old", FINDING.id].facts == FACTS
    assert book.go(PINNED, now=300, facts=FACTS) == (State.WAIVED, [])
    wider = FACTS | {"owner.email": "bo@example.com"}
    assert book.go(PINNED, now=400, facts=wider) == (State.REOPENED, [Reason.WAIVER_VOID])
    assert book.change.comment == "owner.email: ada@example.com, then bo@example.com"
    assert book.go(PINNED, now=500, facts=FACTS) == (State.REOPENED, [])
    assert book.uses["old", FINDING.id].void_at == 400


def test_a_renewed_waiver_is_a_new_word_on_the_facts_of_its_day() -> None:
    book = Book()
    book.go(PINNED, facts=FACTS)
    wider = FACTS | {"name": "ci, deploy"}
    book.go(PINNED, now=400, facts=wider)
    assert book.go(replace(PINNED, until=1100), now=500, facts=wider) == (State.WAIVED, [Reason.WAIVED])
    assert book.uses["old", FINDING.id].facts == wider


def test_facts_that_are_written_out_must_be_so_from_the_beginning() -> None:
    exact = replace(WAIVER, pinned={"name": "ci"})
    assert Book().go(exact, facts={"name": "other"}) == (State.OPEN, [])
    book = Book()
    assert book.go(exact, facts=FACTS)[0] is State.WAIVED
    assert book.go(exact, now=300, facts={})[1] == [Reason.WAIVER_VOID]
    assert book.change.comment == "name: ci, then none"


def test_what_cannot_be_seen_voids_nothing_and_grants_nothing() -> None:
    hidden = {"owner.email": Unknown(), "name": "ci"}
    assert Book().go(PINNED, facts=None) == (State.OPEN, [])
    assert Book().go(PINNED, facts=hidden) == (State.OPEN, [])
    book = Book()
    book.go(PINNED, facts=FACTS)
    assert book.go(PINNED, now=300, facts=None) == (State.WAIVED, [])
    assert book.go(PINNED, now=400, facts=hidden) == (State.WAIVED, [])
    assert book.go(PINNED, now=500, facts=hidden | {"name": "x"}) == (State.REOPENED, [Reason.WAIVER_VOID])


def test_a_fact_that_the_kind_has_not_pins_nothing_and_so_covers_nothing() -> None:
    assert Book().go(replace(WAIVER, pinned=("scim_enabled",)), facts=FACTS) == (State.OPEN, [])


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [(["a", "b"], ("b", "a"), True), (["a"], ["a", "b"], False), (True, 1, False), (None, None, True), (1, 1.0, True)],
)
def test_facts_are_compared_as_json_and_lists_in_any_order(before: object, after: object, same: bool) -> None:
    waiver, user = replace(WAIVER, pinned=("groups",)), replace(FINDING, kind="user")
    book = Book(user)
    book.go(waiver, facts={"groups": before})
    assert (book.go(waiver, now=300, facts={"groups": after})[0] is State.WAIVED) is same


OF_STORE = replace(WAIVER, id="w-1", on=10, until=100 * DAY + 10, origin=Origin.STORE)


@pytest.mark.parametrize(
    ("until", "longest", "holds_until"),
    [
        (100 * DAY + 10, 30, 30 * DAY + 10),
        (30 * DAY + 11, 30, 30 * DAY + 10),
        (30 * DAY + 10, 30, 30 * DAY + 10),
        (20 * DAY + 10, 30, 20 * DAY + 10),
        (100 * DAY, 30, 31 * DAY),
        (31 * DAY, 30, 31 * DAY),
    ],
)
def test_a_waiver_of_the_store_holds_no_longer_than_one_may_today(until: int, longest: int, holds_until: int) -> None:
    held = replace(OF_STORE, until=until).within(longest * DAY)
    assert held.until == holds_until
    assert held.asked_until == (until if holds_until < until else None)
    assert replace(OF_STORE, until=until, origin=Origin.FILE).within(longest * DAY).until == until


def test_a_void_waiver_stays_void_when_it_may_last_less_long() -> None:
    book, pinned = Book(), replace(OF_STORE, pinned=("owner.email",))
    book.go(pinned, facts=FACTS)
    book.go(pinned, now=400, facts=FACTS | {"owner.email": "bo@example.com"})
    assert book.finding.state is State.REOPENED
    shorter = pinned.within(30 * DAY)
    assert shorter.grant == pinned.grant
    assert book.go(shorter, now=500, facts=FACTS) == (State.REOPENED, [])


def test_a_waiver_that_lasts_too_long_is_named_with_its_end() -> None:
    short = known(OF_STORE, matched_at=DAY, matches=1).within(30 * DAY)
    told = "longer than findings.max_waiver allows"
    assert list(faults(short, 0, LIMITS, DAY)) == [f"{told}: ends 1970-01-31"]
    assert list(faults(short, 0, LIMITS, 31 * DAY)) == [f"{told}: ended 1970-01-31"]
    assert short.standing(31 * DAY) is Standing.EXPIRED
    assert short.stage(28 * DAY) == 7


@pytest.mark.parametrize(("on", "known_at"), [(80 * DAY, 80 * DAY), (0, 80 * DAY), (80 * DAY, 0), (79 * DAY, 80 * DAY)])
def test_a_stage_that_had_begun_when_a_waiver_was_made_or_came_into_the_file_is_not_told(
    on: int, known_at: int
) -> None:
    short = Known(replace(WAIVER, on=on, until=90 * DAY), known_at, matches=1)
    assert [short.stage(day * DAY) for day in (80, 82, 83, 88, 89)] == [None, None, 7, 7, 1]
    brief = replace(short, waiver=replace(short.waiver, until=81 * DAY))
    assert [brief.stage(80 * DAY + hours * 3600) for hours in (0, 1, 23)] == [None] * 3


def test_it_is_counted_how_much_each_waiver_in_force_matches() -> None:
    book = Book()
    book.go(WAIVER, replace(WAIVER, id="none", match=Matcher(policy=("x",))), replace(WAIVER, id="over", until=150))
    assert book.last.matched == {"old": 1, "none": 0}


LIMITS = Limits(unused=30 * DAY, broad=2, longest=365 * DAY)


def known(
    waiver: Waiver = WAIVER, *, gone_at: int | None = None, matched_at: int | None = None, matches: int = 0
) -> Known:
    return Known(waiver, 0, gone_at, matched_at, matches)


def test_what_is_wrong_with_a_waiver_is_said() -> None:
    long = replace(WAIVER, until=100 * DAY)
    assert list(faults(known(long, matches=2, matched_at=9), 0, LIMITS, 10)) == []
    assert list(faults(known(), 0, LIMITS, 1000)) == ["expired: delete it, or renew it after a review"]
    assert list(faults(known(replace(WAIVER, ended_by="ada@example.com")), 0, LIMITS, 1000)) == []
    assert list(faults(known(long), 0, LIMITS, 30 * DAY - 1)) == []
    assert list(faults(known(long), 0, LIMITS, 30 * DAY)) == ["unused: it has matched nothing for 30 days"]
    assert list(faults(known(long, matched_at=DAY), 0, LIMITS, 30 * DAY)) == []
    assert list(faults(known(long, gone_at=5), 0, LIMITS, 30 * DAY)) == []
    wide = replace(long, match=Matcher(policy=("*",), level=(Level.LOW,)))
    assert list(faults(known(wide, matches=3), 1, LIMITS, 10)) == [
        "too broad: it matches 3 findings, more than 2",
        "too broad: it names no policy and no resource",
        "void for 1 finding: a pinned fact changed",
    ]


@pytest.mark.parametrize(
    ("match", "narrow"),
    [
        (Matcher(policy=("*",)), False),
        (Matcher(policy=("**",), resource=("*/*",)), False),
        (Matcher(policy=("key-*", "?*")), False),
        (Matcher(owner=("ada@example.com",)), False),
        (Matcher(policy=("*-stale",)), True),
        (Matcher(policy=("*",), resource=("key_1",)), True),
    ],
)
def test_stars_alone_name_nothing(match: Matcher, narrow: bool) -> None:
    assert match.narrow is narrow


def test_people_are_told_14_7_and_1_days_before_the_end_of_what_covers_something() -> None:
    waiver = known(replace(WAIVER, until=100 * DAY), matches=1)
    stages = [waiver.stage(100 * DAY - rest) for rest in (15 * DAY, 14 * DAY, 8 * DAY, 7 * DAY, DAY + 1, DAY, 1, 0)]
    assert stages == [None, 14, 14, 7, 7, 1, 1, None]
    assert replace(waiver, matches=0).stage(99 * DAY) is None
    assert replace(waiver, gone_at=9).stage(99 * DAY) is None
    assert waiver.standing(100 * DAY) is Standing.EXPIRED
    assert known(replace(WAIVER, on=50)).standing(49) is Standing.NOT_YET


WRITTEN = """\
- id: old-keys
  match: {policy: [project-key-stale, 'key-*'], kind: project_api_key, level: [high, low], organization: acme}
  reason: They are replaced in March.
  owner: ada@example.com
  on: 2026-11-24
  until: 2027-03-31
  ticket: SEC-12
  pinned: [owner.email]
"""


def waivers(folder: Path, text: str) -> tuple[Waiver, ...]:
    file = folder / "waivers.yaml"
    file.write_text(text, encoding="utf-8")
    return read(file, ["acme", "other"], 365 * DAY)


def test_the_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    (one,) = waivers(tmp_path, WRITTEN)
    assert one.match == Matcher(
        policy=("project-key-stale", "key-*"),
        organization=("acme",),
        kind=(KIND,),
        level=(Level.HIGH, Level.LOW),
    )
    assert (one.until - one.on, one.pinned, one.ticket) == (128 * DAY, ("owner.email",), "SEC-12")
    (exact,) = waivers(tmp_path, WRITTEN.replace("[owner.email]", "{owner.email: ada@example.com, name: null}"))
    assert exact.pinned == {"owner.email": "ada@example.com", "name": None}
    assert waivers(tmp_path, "[]") == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("id: old-keys", "id: Old Keys", "1:3: `id` must be lower case letters"),
        ("id: old-keys", "id: w-1a2b3c4d", "1:3: ids that begin with `w-` are those of the store"),
        ("  reason: They are replaced in March.\n", "", "1:3: `reason` is missing"),
        ("  until: 2027-03-31\n", "", "1:3: `until` is missing"),
        ("until: 2027-03-31", "until: 2026-11-23", "6:3: `until` must be later than `on`"),
        ("reason: They are replaced in March.", "reason: ' '", "3:3: `reason` must not be blank"),
        ("owner: ada@example.com", "owner: ''", "4:3: `owner` must not be blank"),
        ("owner: ada@example.com", "owner: [ada]", "4:3: `owner` input should be a valid string"),
        ("kind: project_api_key", "kind: ' '", "`kind` must be a text or a list of texts, none of them empty"),
        ("until: 2027-03-31", "until: 2027-11-25", "6:3: a waiver lasts 365 days at most"),
        ("until: 2027-03-31", "until: 2027-11-24T00:00:01Z", "6:3: a waiver lasts 365 days at most"),
        ("until: 2027-03-31", "until: never", "6:3: `until` must be a day or a moment"),
        ("ticket:", "tikcet:", "7:3: unknown key `tikcet` (did you mean `ticket`?)"),
        (
            "level:",
            "name:",
            "unknown key `name` (known keys: kind, level, organization, owner, policy, project, resource)",
        ),
        ("kind: project_api_key", "kind: project_api_keys", "no kind is named `project_api_keys` (did you mean"),
        ("[high, low]", "hihg", "no level is named `hihg` (did you mean `high`?)"),
        ("organization: acme", "organization: acne", "no organization is named `acne` (did you mean `acme`?)"),
        ("kind: project_api_key", "kind: ['']", "`kind` must be a text or a list of texts, none of them empty"),
        ("[owner.email]", "[owner.emial]", "8:3: no resource that it is about has a field `owner.emial`"),
        ("[owner.email]", "true", "8:3: `pinned` must be a list of fields, or a mapping"),
        ("  pinned: [owner.email]", "- id: old-keys", "8:3: `match` is missing"),
        (WRITTEN, WRITTEN + WRITTEN, "9:3: the id `old-keys` stands here twice"),
        (WRITTEN, WRITTEN.replace(WRITTEN.splitlines()[1], "  match: {}"), "`match` must be a mapping that names"),
    ],
)
def test_a_fault_of_the_file_is_told_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(FaultyFiles) as refused:
        waivers(tmp_path, WRITTEN.replace(old, new))
    assert message in str(refused.value)


@pytest.mark.parametrize(("written", "days"), [("2027-11-24", 366), ("2027-11-24T00:00:00Z", 365)])
def test_the_longest_waiver_ends_with_its_last_day_or_at_its_last_moment(
    tmp_path: Path, written: str, days: int
) -> None:
    (one,) = waivers(tmp_path, WRITTEN.replace("2027-03-31", written))
    assert one.until - one.on == days * DAY


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "- &a [x]\n- *a\n", "{}", "- [", "x" * (MAX_BYTES + 1), "a: 1\n---\n", "- 1", "- {match: 1}"],
)
def test_a_hostile_file_is_refused_in_one_piece(tmp_path: Path, text: str) -> None:
    with pytest.raises(FaultyFiles):
        waivers(tmp_path, text)
