"""Who signs in to the page: what a name and the hash of a password look like, and the file that holds them."""

import re
from pathlib import Path

import bcrypt

from auditor import textfile
from auditor.errors import ConfigError, Fault, FaultyFiles

COSTS = range(10, 15)
"""Of bcrypt, each twice as slow as the one before: below, a stolen one is soon guessed; above, one keeps others out."""
COST = 12
LONGEST_PASSWORD = 72
"""Bytes: bcrypt looks at no more."""
LONGEST_NAME = 200
MAX_BYTES = 1_000_000
MAX_USERS = 1_000

# The last letter of the salt holds two bits: the library refuses any other, and would do so when somebody signs in.
_HASH = re.compile(r"\$2[aby]\$(?P<cost>\d\d)\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_MAKE = "`auditor web password` makes one"


def name(text: str) -> str:
    """`text`, if somebody may be called so. Raises ValueError: HTTP ends the name at the first colon."""
    if not text or text != text.strip() or not text.isprintable() or ":" in text or len(text) > LONGEST_NAME:
        raise ValueError(f"a name has 1 to {LONGEST_NAME} characters that can be seen, and no colon")
    return text


def hash_of(text: str) -> str:
    """`text`, if it is a hash by bcrypt of a cost that is bearable. Raises ValueError, which never repeats it."""
    found = _HASH.fullmatch(text)
    if found is None:
        raise ValueError(f"must be a hash by bcrypt, `$2b$12$` and 53 characters; {_MAKE}")
    if int(found["cost"]) not in COSTS:
        raise ValueError(f"the cost of the hash is {found['cost']}, and must be {COSTS[0]} to {COSTS[-1]}; {_MAKE}")
    return text


def fits(password: bytes) -> bool:
    """Whether it can be a password: HTTP allows no control characters in one, and bcrypt only so many bytes."""
    return 0 < len(password) <= LONGEST_PASSWORD and not any(byte < 32 or byte == 127 for byte in password)


def matches(password: bytes, hashed: str) -> bool:
    """Whether the hash is that of a password that `fits`. It takes a tenth of a second and more, without the GIL."""
    return bcrypt.checkpw(password, hashed.encode())


def make(password: str, cost: int = COST) -> str:
    """The hash of a password. Raises ConfigError for one that nobody could sign in with."""
    try:
        data = password.encode()
    except UnicodeEncodeError:
        data = b""
    if not fits(data):
        raise ConfigError(
            f"a password has 1 to {LONGEST_PASSWORD} bytes of UTF-8, none of them a control character",
            hint="four or five words at random are long enough; letters beyond ASCII are two to four bytes each",
        )
    return bcrypt.hashpw(data, bcrypt.gensalt(cost)).decode()


def read(path: Path) -> dict[str, str]:
    """Hashes by name, of a file of lines `NAME:HASH`, as `htpasswd -B` writes them.

    Raises FaultyFiles with every fault at once; ConfigError when the file cannot be read.
    """
    found: dict[str, str] = {}
    faults: list[Fault] = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        who, _, hashed = line.partition(":")
        try:
            if name(who) in found:
                raise ValueError("the name stands here twice")
            found[who] = hash_of(hashed.strip())
        except ValueError as error:
            faults.append(Fault(str(path), number, 1, str(error), "a line is NAME:HASH"))
    if not found and not faults:
        faults.append(Fault(str(path), 0, 0, "it names nobody", f"a line is NAME:HASH; {_MAKE}"))
    if len(found) > MAX_USERS:
        faults.append(Fault(str(path), 0, 0, f"more than {MAX_USERS:,} names", "let a proxy ask who is there"))
    if faults:
        raise FaultyFiles(faults)
    return found


def _text(path: Path) -> str:
    hint = "`web.users_file` names it; check the path and its mode"
    large = "it names too many people"
    return textfile.read(path, "the names of the page", MAX_BYTES, unreadable=hint, large=large, foreign=hint)
