"""Invented names, and hostile ones: what an attacker, or a careless person, may write into a name field."""

FIRST = (
    "Alder", "Basil", "Clover", "Daphne", "Elm", "Fern", "Ginger", "Hazel", "Iris", "Juniper",
    "Kale", "Linden", "Maple", "Nettle", "Olive", "Poppy", "Quince", "Rowan", "Sage", "Tansy",
)  # fmt: skip
LAST = (
    "Agate", "Basalt", "Cobalt", "Dolomite", "Emery", "Feldspar", "Garnet", "Halite", "Ivory", "Jasper",
    "Kyanite", "Limestone", "Marble", "Nickel", "Opal", "Pumice", "Quartz", "Ruby", "Slate", "Topaz",
)  # fmt: skip
PROJECTS = (
    "Default project", "support-assistant", "search-ranking", "document-intake", "voice-pilot", "code-review",
    "retired-chatbot", "hackathon", "forecasting", "translation", "moderation", "onboarding-guide",
)  # fmt: skip
WORK = ("ingest", "batch", "api", "evals", "staging", "nightly", "ci", "worker", "gateway", "notebook")
TEAMS = ("platform", "research", "data", "support", "growth", "security", "finance", "mobile")

HOSTILE = (
    "<script>alert(1)</script>",
    "<!channel>",
    "=1+1",
    "\u202egnp.eci-yek",
    "fox \U0001f98a key \U0001f511",
    "\x1b[31mred\x1b[0m",
    "{{ 7 * 7 }} %(asctime)s `rm` *bold*",
)
"""Markup, a Slack broadcast, a spreadsheet formula, a right-to-left override, 4-byte emoji, ANSI, templates."""

MODELS = (
    "gpt-5.1", "gpt-5.1-mini", "gpt-5-nano", "o4-mini", "text-embedding-3-small", "omni-moderation-latest",
    "gpt-image-1", "gpt-4o-mini-tts", "whisper-1",
)  # fmt: skip
OFFICE = ("198.51.100.10", "198.51.100.11", "198.51.100.12", "2001:db8:10::7")
STRANGER = "203.0.113.66"


def person(number: int) -> tuple[str, str]:
    """Name and e-mail address of the `number`-th person; no two are alike."""
    first, last = FIRST[number % len(FIRST)], LAST[(number // len(FIRST) + number * 7) % len(LAST)]
    again = number // (len(FIRST) * len(LAST))
    suffix = f"{again + 1}" if again else ""
    return f"{first} {last}{' ' + suffix if suffix else ''}", f"{first}.{last}{suffix}@example.com".lower()


def project(number: int) -> str:
    """Name of the `number`-th project."""
    return PROJECTS[number] if number < len(PROJECTS) else f"{TEAMS[number % len(TEAMS)]}-{number:04d}"
