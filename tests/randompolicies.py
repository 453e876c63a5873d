"""Random detections and random records, drawn so that they often meet: for tests that compare two ways to judge."""

from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

from auditor.inventory.model import Gap, Unknown
from auditor.inventory.schema import fields_of
from auditor.policy.compile import compile_detection, compile_selection
from auditor.policy.grammar import Vocabulary, parse_detection, parse_selection
from auditor.policy.model import Allowed, Policy
from auditor.policy.policyset import Judge
from auditor.policy.template import Message
from auditor.terms import Level, Status
from auditor.yamlfile import Place

NOW = 1_767_225_600
DAY = 86_400
KIND = "project_api_key"
TYPED = ("name", "owner.type", "created_at", "last_used_at", "owner.is_member", "owner.groups")
LOOSE = ("type", "payload.note", "payload.items", "actor.ip", "effective_at")
TYPES = ("login.failed", "login.succeeded", "api_key.created", "LOGIN.failed")


def evenly(*strategies: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Any of them, each as often: `one_of` would give a wide one more room."""
    return st.sampled_from(strategies).flatmap(lambda each: each)


# Letters on which the ways to ignore case disagree, wildcards, escapes, and what a joined text is split by.
letters = st.sampled_from(
    ["a", "A", "b", "k", "K", "s", "ß", "ẞ", "\u017f", "İ", "\ufb01", "*", "?", "\\", ".", "\n", "\0", "1", " "]
)
words = st.one_of(
    st.text(letters, max_size=5),
    st.sampled_from([*TYPES, "owner", "Owner", "ST", "straße", "STRASSE", "true", "False", "5", "5.0", "-1"]),
    st.text(max_size=4),
)
addresses = st.one_of(
    st.ip_addresses().map(str),
    st.sampled_from(["192.0.2.0", "192.0.2.255", "192.0.3.0", "2001:db8::", "2001:db9::", "::ffff:192.0.2.1"]),
    st.sampled_from(
        ["192.0.2.01", "192.0.2", "fe80::1%eth0", " 192.0.2.1", "192.0.2.1\0", "\u0661.2.3.4", "192.0.2.0/23", "::/0"]
    ),
)
numbers = st.one_of(
    st.integers(-2, 6), st.integers(NOW - 3, NOW + 3), st.sampled_from([10**30, -(10**30), NOW - DAY, NOW + DAY]),
    st.integers(NOW - DAY - 2, NOW - DAY + 2), st.integers(NOW + DAY - 2, NOW + DAY + 2),
)  # fmt: skip
floats = st.one_of(st.floats(), st.sampled_from([5.0, float(NOW), NOW - DAY - 0.5, NOW + 0.5]))
scalars = st.one_of(words, addresses, numbers, floats, st.booleans())
lists = st.lists(st.one_of(scalars, st.none()), max_size=4)
seen = evenly(st.none(), words, numbers, scalars, lists)
withheld = st.builds(
    lambda known, gap: Unknown((Gap("group", (), Status.REFUSED, "403"),) if gap else (), tuple(known)),
    st.lists(scalars, max_size=2),
    st.booleans(),
)

hidden = evenly(seen, seen, withheld)


def records(fields: tuple[str, ...], values: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    """Records that have some of these fields."""
    return st.dictionaries(st.sampled_from(fields), values, max_size=len(fields))


networks = st.sampled_from(["192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0", "::/0", "192.0.2.1/32", "198.51.100.0/25"])
durations = st.sampled_from(["1d", "0s", "1s", "24h"])
patterns = st.sampled_from(
    [
        "^a",
        "b$",
        "^(a|b)$",
        "(?:owner|a)",
        "k",
        "^Own",
        r"^a\.b",
        "a|b",
        "^(a+)+$",
        "a.b",
        "login\\.",
        "^$",
        "[ab]",
        "^a\nb$",
    ]
)


def _item(modifiers: str, values: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[str, object]]:
    return st.tuples(
        st.just(modifiers), st.one_of(values, st.lists(values, max_size=4), st.lists(values, min_size=13, max_size=16))
    )


items = st.one_of(
    _item("", st.one_of(words, numbers, st.booleans(), st.none())),
    *(_item(each, words) for each in ("|contains", "|startswith", "|endswith", "|cased", "|contains|cased")),
    *(_item(each, words) for each in ("|contains|all", "|neq", "|contains|neq", "|startswith|all", "|endswith|cased")),
    *(_item(each, patterns) for each in ("|re", "|re|i", "|re|m", "|re|s", "|re|i|s")),
    *(_item(each, numbers) for each in ("|lt", "|lte", "|gt", "|gte", "|gt|neq")),
    *(_item(each, durations) for each in ("|older_than", "|newer_than", "|within")),
    _item("|cidr", networks),
    _item("|outside", words),
    _item("|wider_than", st.sampled_from([0, 1, 255, 256, 2**40])),
    st.tuples(st.just("|exists"), st.booleans()),
)
conditions = st.sampled_from(
    [
        "a",
        "not a",
        "a and b",
        "a or b",
        "a and not b",
        "not (a or b)",
        "1 of them",
        "all of them",
        "(a or not b) and not (a and b)",
    ]
)


@dataclass(frozen=True)
class Refused:
    """Counts what the grammar refuses."""

    places: list[Place]

    def __call__(self, place: Place, message: str, hint: str = "") -> None:
        self.places.append(place)


@st.composite
def trees(draw: st.DrawFn, fields: tuple[str, ...], *, keywords: bool) -> dict[str, object]:
    """A detection as it stands in a file."""
    return {**{name: draw(selections(fields, keywords=keywords)) for name in ("a", "b")}, "condition": draw(conditions)}


def selections(fields: tuple[str, ...], *, keywords: bool) -> st.SearchStrategy[object]:
    mapping = st.dictionaries(st.sampled_from(fields), items, min_size=1, max_size=3).map(
        lambda chosen: {f"{field}{modifiers}": value for field, (modifiers, value) in chosen.items()}
    )
    plain = st.one_of(mapping, st.lists(mapping, min_size=1, max_size=3))
    keyword = st.lists(words.filter(bool), min_size=1, max_size=3)
    return st.one_of(plain, plain, keyword) if keywords else plain


def judge_of(name: str, kind: str, tree: Mapping[str, object], applies: object) -> Judge | None:
    """The policy, or None when the grammar refuses it."""
    refused = Refused([])
    # One of its own, as each file has: what the patterns of a file may cost together is counted in it.
    vocabulary = Vocabulary({}, True, True, kind != KIND)
    detection = parse_detection(tree, vocabulary, refused)
    exception = parse_selection("applies_to", applies, ("applies_to",), vocabulary, refused) if applies else None
    if detection is None or refused.places:
        return None
    asked = compile_selection(exception) if exception else None
    policy = Policy(name, name, kind, Level.LOW, allowed=Allowed())
    return Judge(policy, compile_detection(detection), Message(""), asked, frozenset(), exception)


@st.composite
def judges(draw: st.DrawFn, kind: str, fields: tuple[str, ...], *, keywords: bool, most: int = 4) -> tuple[Judge, ...]:
    """Some policies of one kind."""
    found = []
    for number in range(draw(st.integers(1, most))):
        applies = draw(st.one_of(st.none(), selections(fields, keywords=False))) if kind == KIND else None
        judge = judge_of(f"policy-{number}", kind, draw(trees(fields, keywords=keywords)), applies)
        if judge:
            found.append(judge)
    return tuple(found)


assert set(TYPED) <= set(fields_of(KIND))
