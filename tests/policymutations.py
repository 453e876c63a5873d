"""Policy files made worse: bytes, words and structure of sound ones changed at random, the same for the same number."""

import json
import random
from collections.abc import Callable, Iterator

import yaml

from auditor import shipped
from auditor.yamlfile import load

SOUND = tuple(sorted((shipped.directory("policies") / "openai").rglob("*.yaml")))

WORDS = (
    *("&a", "*a", "<<: {a: b}", "!!python/object/apply:os.system [id]", "? [a]", "---", "...", "%TAG ! tag:x:", "\t"),
    *("[" * 40, "{" * 40, "- " * 40, "]", "}", '"', "'", "|", ">", "#", ":", ",", "@", "`", "\x00", "\x1b[2J"),
    *("null", "true", "-1", "1e999", "9" * 400, "0x" + "f" * 200, ".inf", "2026-01-01", "''", "~", "1_000", "12:30"),
    *("%after%", "%%", "%", "|re", "|re|i", "|cidr", "|all", "|gt", "|older_than", "|within", "|exists", "|expand"),
    *("|contains", "|windash", "|fieldref", "|hour", "||", "|neq", "|base64", "(a+)+$", "(" * 200, "a{1000}{1000}"),
    *("*" * 300, "\\", "\\\\*", "?" * 300, "not " * 400, "1 of them", "all of x*", "1 of " + "*a" * 60, "(" * 99 + "a"),
    *("(" * 120 + "a" + ")" * 120, "a and " * 150 + "a", "{{ a }}", "{% for a in b %}", "{{ a.__class__ }}", "{{" * 50),
    *("{{ 'a' * 10 ** 9 }}", "{{ a | default(b) }}", "ümläut", "\u202e", "a" * 5000, "10.0.0.0/8", "::/0", "\ufeff"),
)  # fmt: skip
"""What has hurt readers of YAML, conditions, expressions, networks and templates."""

Dice = random.Random


def mutated(number: int) -> tuple[str, bytes]:
    """Name and content of the policy file that belongs to `number`."""
    dice = Dice(number)
    file = dice.choice(SOUND)
    text = file.read_text(encoding="utf-8")
    for _ in range(dice.choice((1, 1, 1, 1, 2, 4))):
        text = dice.choice((_characters, _tokens, _tree, _spliced))(text, dice)
    raw = text.encode("utf-8", errors="surrogatepass")
    return file.name, _bytes(raw, dice) if dice.random() < 0.1 else raw


def _bytes(raw: bytes, dice: Dice) -> bytes:
    changed = bytearray(raw)
    for _ in range(dice.randint(1, 8)):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


def _characters(text: str, dice: Dice) -> str:
    start = dice.randrange(len(text) + 1)
    end = min(len(text), start + dice.choice((0, 1, 2, 10, 200)))
    new = dice.choice(
        ("", text[start:end] * dice.choice((2, 5, 100)), chr(dice.randrange(32, 127)), dice.choice(WORDS))
    )
    return text[:start] + new + text[end:]


def _tokens(text: str, dice: Dice) -> str:
    """Words in another order, twice, or other ones."""
    words = text.split(" ")
    for _ in range(dice.randint(1, 3)):
        one, other = dice.randrange(len(words)), dice.randrange(len(words))
        match dice.randrange(4):
            case 0:
                words[one], words[other] = words[other], words[one]
            case 1:
                words[one] = dice.choice(WORDS)
            case 2:
                words[one] += dice.choice(WORDS)
            case _:
                words.insert(one, words[other])
    return " ".join(words)


def _spliced(text: str, dice: Dice) -> str:
    """The head of one file with the tail of another one."""
    lines, others = text.splitlines(), dice.choice(SOUND).read_text(encoding="utf-8").splitlines()
    return "\n".join(lines[: dice.randrange(len(lines) + 1)] + others[dice.randrange(len(others)) :]) + "\n"


def _tree(text: str, dice: Dice) -> str:
    """One value, or one key, of the structure changed; the text as it is where it has none any more."""
    try:
        documents = [document.value for document in load(text, "")]
    except Exception:  # noqa: BLE001 - whatever it is, the test meets it again when it loads this text
        return text
    spots = [spot for document in documents for spot in _spots(document)]
    if not spots:
        return text
    holder, key = dice.choice(spots)
    _CHANGES[dice.randrange(len(_CHANGES))](holder, key, dice)
    return "---\n".join(
        json.dumps(document) + "\n" if dice.random() < 0.3 else yaml.safe_dump(document, allow_unicode=True)
        for document in documents
    )


def _spots(value: object) -> Iterator[tuple[object, object]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield value, key
        yield from _spots(inner)


def _replace(holder: "dict[object, object]", key: object, dice: Dice) -> None:
    values: tuple[object, ...] = (
        None,
        True,
        0,
        -1.5,
        10**40,
        "",
        [],
        {},
        [[]],
        [None],
        {"": ""},
        [{}],
        {"a": [{"b": 1}]},
    )
    holder[key] = dice.choice((*values, dice.choice(WORDS), [dice.choice(WORDS)], {dice.choice(WORDS): holder[key]}))


def _nest(holder: "dict[object, object]", key: object, dice: Dice) -> None:
    for _ in range(dice.choice((1, 5, 40))):
        holder[key] = [holder[key]] if dice.random() < 0.5 else {"a": holder[key]}


def _many(holder: "dict[object, object]", key: object, dice: Dice) -> None:
    holder[key] = [holder[key]] * dice.choice((2, 100, 1000))


def _rename(holder: "dict[object, object]", key: object, dice: Dice) -> None:
    if isinstance(holder, dict):
        value = holder.pop(key)
        holder[f"{key}{dice.choice(WORDS)}" if dice.random() < 0.7 else dice.choice(WORDS)] = value


def _drop(holder: "dict[object, object]", key: object, _dice: Dice) -> None:
    del holder[key]


_CHANGES: tuple[Callable[..., None], ...] = (_replace, _replace, _nest, _many, _rename, _rename, _drop)
