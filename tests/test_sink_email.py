"""What arrives in a mailbox: over a real SMTP server, read by the standard library's parser."""

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import mail
import pytest
import trustme
from alerts import ALERT, HOSTILE, hidden, hostile

from auditor.alerts.message import Alert, AlertKind, Line, key
from auditor.alerts.registry import build
from auditor.alerts.sink import Context, Receipt
from auditor.errors import ConfigError, DeliveryError
from auditor.terms import Level

Settings = dict[str, Any]


def settings(port: int, **more: object) -> Settings:
    place: Settings = {"type": "email", "host": "127.0.0.1", "port": port, "allow_private": True, "timeout": 5}
    return {**place, "security": "none", "sender": "auditor@example.com", "to": "security@example.com", **more}


async def send(raw: Settings, alert: Alert = ALERT) -> Receipt:
    return await build("mail", raw).send(alert, Context())


async def refusal(raw: Settings, alert: Alert = ALERT) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await send(raw, alert)
    return caught.value


def parts(letter: Any) -> tuple[str, str]:
    """Text and HTML."""
    text, page = letter.iter_parts()
    assert (text.get_content_type(), page.get_content_type()) == ("text/plain", "text/html")
    return text.get_content().replace("\r\n", "\n"), page.get_content().replace("\r\n", "\n")


class Seen(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str | None] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attributes if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_a_letter_tells_the_finding_whole_as_text_and_as_html() -> None:
    with mail.serving() as inbox:
        receipt = await send(settings(inbox.port, to=["security@example.com", "ada@example.com"]))
    (letter,) = inbox.letters
    assert letter["Subject"] == "[acme] 🔺 High: Project API key unused for 90 days"
    assert letter["From"] == "auditor <auditor@example.com>"
    assert letter["To"] == "security@example.com, ada@example.com"
    assert letter["Message-ID"] == f"<{key(ALERT)}@example.com>" == receipt.details["message_id"]
    assert letter["References"] == "<finding.00ff@example.com>"
    assert letter["Date"].datetime.timestamp() == ALERT.at
    assert letter["Auto-Submitted"] == "auto-generated"
    assert inbox.recipients == [["security@example.com", "ada@example.com"]]
    text, page = parts(letter)
    assert text == (
        "🔺 High: Project API key unused for 90 days\n\n"
        "ci-bot of Ada in payments: last used 91 days ago\n\n"
        "Project API key: ci-bot (key_1)\n"
        "Who: ada@example.com\n"
        "From: 192.0.2.7\n\n"
        "What to do: Delete the key, or have its owner record a waiver with an end date.\n\n"
        "http://127.0.0.1:9847/findings/00ff\n\n"
        "acme · project-key-stale · finding 00ff · 2026-01-01 00:00:00 UTC\n"
    )
    seen = Seen(page)
    assert seen.links == [ALERT.link]
    assert "ci-bot of Ada in payments" in seen.text
    assert "ada@example.com" in seen.text


async def test_the_letters_of_a_finding_are_a_thread_and_a_repeat_has_the_same_id() -> None:
    with mail.serving() as inbox:
        for alert in (ALERT, ALERT, replace(ALERT, id="00ff.resolved.2", kind=AlertKind.RESOLVED)):
            await send(settings(inbox.port), alert)
    opened, again, resolved = inbox.letters
    assert opened["Message-ID"] == again["Message-ID"] != resolved["Message-ID"]
    assert len({letter["References"] for letter in inbox.letters}) == 1
    assert resolved["Subject"].startswith("[acme] ✅ Resolved")


@pytest.mark.parametrize("domain", ["a" * 50 + ".example.com", ".".join(["a" * 60] * 4) + ".example"])
async def test_ids_are_written_out_however_long_the_domain_of_the_sender_is(domain: str) -> None:
    address = f"{'b' * 64}@{domain}"
    with mail.serving() as inbox:
        await send(settings(inbox.port, sender=address, to=[address, "ada@example.com"]))
    head = inbox.wire[0].partition(b"\r\n\r\n")[0].decode()
    assert f"\r\nReferences: <finding.00ff@{domain}>\r\n" in head
    assert f"\r\nMessage-ID: <{key(ALERT)}@{domain}>\r\n" in head
    assert head.startswith(f"From: auditor <{address}>\r\nTo: {address},\r\n ada@example.com\r\n")
    assert max(map(len, head.split("\r\n"))) <= 998


async def test_a_digest_lists_a_thousand_and_counts_the_rest() -> None:
    lines = tuple(Line(Level.HIGH, "project-key-stale", f"key_{index}", "stale") for index in range(5000))
    with mail.serving() as inbox:
        await send(settings(inbox.port), replace(ALERT, kind=AlertKind.DIGEST, lines=lines, counts={"high": 5000}))
    text, page = parts(inbox.letters[0])
    assert text.count("[project-key-stale]") == page.count("<li>") - 1 == 1000
    assert "... and 4,000 more findings" in text
    assert "Numbers: 5,000 high" in text


@pytest.mark.parametrize("case", HOSTILE)
async def test_hostile_text_adds_no_header_no_element_and_no_recipient(case: str) -> None:
    with mail.serving() as inbox:
        await send(settings(inbox.port), hostile(case))
        await send(settings(inbox.port))
    letter, after = inbox.letters
    assert [name for name, _ in letter.items()] == [name for name, _ in after.items()]
    assert inbox.recipients == [["security@example.com"]] * 2
    assert letter.defects == []
    text, page = parts(letter)
    seen = Seen(page)
    assert seen.tags <= {"html", "body", "h2", "p", "table", "tr", "th", "td", "ul", "li", "b", "a"}
    assert seen.links == [ALERT.link]
    assert not hidden(text + page + letter["Subject"])
    assert len(letter["Subject"]) <= 150
    assert len(bytes(letter)) < 100_000


ENCODED = {
    "headers and a body": "ci =?utf-8?q?=0D=0AReply-To:_evil@example.net=0D=0A=0D=0AAll_is_well.?=",
    "a bare line feed": "ci =?us-ascii?q?x=0ABcc:_evil@example.net?=",
    "terminal escapes and a direction": "=?utf-8?q?=1B[31mred=E2=80=AE=00bidi?=",
    "another text": "plain =?utf-8?b?WE9Y?= =?UTF-8*en?Q?Resolved:_all_good?=",
    "encoded twice": "=?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3D0ABcc:_evil=3F=3D?=",
    "one word in two": "=?utf-8?q?x=0D=0A?==?utf-8?q?Bcc:_evil@example.net?= é",
    "a charset that is none": "=?x-none?q?=0ABcc:_evil?= =?utf-16?b?AA==?= =?utf-8?b?!!!?=",
    "long": "=?utf-8?q?=0ABcc:_evil@example.net?= " * 100,
}
"""Encoded as RFC 2047 has it for headers: harmless to look at, and more than that once somebody decodes it."""


@pytest.mark.parametrize("text", ENCODED.values(), ids=ENCODED)
@pytest.mark.parametrize(
    ("place", "alert"),
    [
        ("title", lambda text: replace(ALERT, title=text)),
        ("organization", lambda text: replace(ALERT, organization=text)),
        ("resource.name", lambda text: replace(ALERT, resource_name=text)),
    ],
)
async def test_what_looks_encoded_is_shown_as_it_stands(text: str, place: str, alert: Callable[[str], Alert]) -> None:
    with mail.serving() as inbox:
        raw: Settings = {"templates": {"title": "{{ resource.name }}: {{ title }}"}} if place == "resource.name" else {}
        sink = build("mail", settings(inbox.port, **raw))
        await sink.send(alert(text), Context())
        await send(settings(inbox.port))
    letter, plain = inbox.letters
    assert [name for name, _ in letter.items()] == [name for name, _ in plain.items()]
    assert text[:100].strip() in letter["Subject"]
    assert letter["Subject"] in sink.preview(alert(text)), "a preview shows what will be read"
    assert not hidden(letter["Subject"])
    assert letter["Subject"].defects == ()
    head = inbox.wire[0].partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert max(map(len, head.split(b"\r\n"))) <= 76, "as RFC 2047 limits lines with encoded words"


async def test_lines_of_a_letter_are_no_longer_than_a_server_takes() -> None:
    with mail.serving() as inbox:
        await send(settings(inbox.port), hostile("ten kilobytes"))
    assert max(len(line) for line in bytes(inbox.letters[0]).split(b"\n")) <= 998


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> Settings:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return {"ca_file": str(file), "host": "localhost"}


@pytest.mark.parametrize("implicit", [False, True])
async def test_letter_and_password_go_encrypted(
    implicit: bool, server_context: ssl.SSLContext, trusted: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("canary-password\n")
    login = {"username": "ada", "password_file": str(file), "security": "tls" if implicit else "starttls"}
    with mail.serving(server_context, implicit=implicit, login=True) as inbox:
        await send(settings(inbox.port, **trusted, **login))
        assert inbox.users == ["ada"]
        assert len(inbox.letters) == 1
        assert implicit or inbox.encrypted == [True]
        file.write_text("another")
        error = await refusal(settings(inbox.port, **trusted, **login))
    assert error.retryable, "a rotated password arrives in a moment"
    assert error.hint == "check username and password"
    assert "another" not in error.message


PASSWORDS = ["abcd efgh ijkl mnop", "Pässwörd\u20ac", "p\u00e4ss \U0001f511", "a" * 200]


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("password", PASSWORDS)
async def test_a_password_may_hold_blanks_and_any_letters(
    password: str, way: str, server_context: ssl.SSLContext, trusted: Settings
) -> None:
    login = {"username": "jürgen", "password": password, "security": "starttls"}
    with mail.serving(server_context, login=True, way=way) as inbox:
        inbox.password = password
        await send(settings(inbox.port, **trusted, **login))
    assert inbox.users == ["jürgen"]
    assert len(inbox.letters) == 1


@pytest.mark.parametrize("password", ["canary\nx", "canary\r", "canary\0x", "canary\udce4", ""])
def test_a_password_that_cannot_be_sent_is_a_fault_of_the_configuration(password: str) -> None:
    with pytest.raises(ConfigError, match="the password is empty, no UTF-8 or holds a line break or NUL") as caught:
        build("mail", settings(25, username="ada", password=password, security="tls"))
    assert "canary" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_that_nobody_vouches_for_gets_no_letter(
    security: str, server_context: ssl.SSLContext
) -> None:
    with mail.serving(server_context, implicit=security == "tls") as inbox:
        error = await refusal(settings(inbox.port, host="localhost", security=security))
        assert inbox.letters == []
    assert error.retryable
    assert "certificate" in error.message


async def test_a_server_without_starttls_gets_no_letter() -> None:
    with mail.serving() as inbox:
        error = await refusal(settings(inbox.port, security="starttls"))
        assert inbox.letters == []
    assert "STARTTLS" in error.message
    assert error.retryable


async def test_one_refused_address_of_two_is_in_the_receipt_and_no_reason_to_repeat() -> None:
    with mail.serving() as inbox:
        inbox.refuse = ("gone@example.com",)
        receipt = await send(settings(inbox.port, to=["gone@example.com", "security@example.com"]))
        assert receipt.recorded["refused"] == "gone@example.com: 550 5.1.1"
        error = await refusal(settings(inbox.port, to=["gone@example.com"]))
    assert error.retryable, "somebody sets the address right"
    assert error.message == "the mail server refused all addresses (550)"
    assert error.hint == "check username, sender, recipients and relay rules"


async def test_a_server_that_closes_between_two_addresses_is_not_said_to_refuse_both() -> None:
    with mail.serving() as inbox:
        inbox.closes_at = ("security@example.com",)
        error = await refusal(settings(inbox.port, to=["ada@example.com", "security@example.com"]))
        assert inbox.letters == []
    assert (error.message, error.retryable, error.hint) == ("the mail server closed the connection (421)", True, "")


VERBS = ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "DOT"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("code", [421, 450, 452, 500, 535, 550, 552, 554])
async def test_a_refusal_at_any_verb_is_told_apart(verb: str, code: int) -> None:
    reply = f"{code} 5.7.1 canary of the server\r\n".encode()
    with mail.scripted({verb: reply, "HELO": reply}) as (port, heard):
        error = await refusal(settings(port))
        assert verb in heard
    assert error.retryable, "somebody sets right what is not about the letter itself"
    assert str(code) in error.message
    assert "canary" not in error.message + error.hint


@pytest.mark.parametrize(
    ("verb", "reply", "final"),
    [
        ("MAIL", "530 5.7.0 Authentication required", False),
        ("RCPT", "554 5.7.1 Relay access denied", False),
        ("DOT", "554 5.7.1 blocked: your IP is listed", False),
        ("DOT", "554 transaction failed", False),
        ("DOT", "554 5.3.40 no such code", False),
        ("DOT", "451 5.6.0 of two minds", False),
        ("MAIL", "552 5.3.4 too large for us", True),
        ("MAIL", "552 no room", False),
        ("DOT", "554 5.6.0 ill-formed", True),
        ("DOT", "550 5.6.11 a form that we do not take", True),
        ("DOT", "552 too large", True),
        ("DATA", "552 too large", True),
        ("DOT", "552 5.3.4 too large", True),
        ("DOT", "552 message size exceeds my limit (#5.3.4)", True),
        ("DOT", "552 #5.3.4 message size exceeds limit", True),
        ("DOT", "552-5.3.4 too\r\n552 5.3.4 large", True),
        ("DOT", "552 5.2.2 mailbox full", False),
        ("DOT", "552 5.2.2: mailbox full", False),
        ("DOT", "552 #5.2.2 mailbox full", False),
        ("DOT", "552-5.2.2 The account that you tried to reach\r\n552 5.2.2 is over quota", False),
        ("DOT", "552-The account that you tried to reach\r\n552 5.2.2 is over quota", False),
        ("DOT", "552 5.7.1 quota of the sender", False),
    ],
)
async def test_only_what_is_about_the_letter_itself_is_final(verb: str, reply: str, final: bool) -> None:
    with mail.scripted({verb: f"{reply}\r\n".encode()}) as (port, _):
        error = await refusal(settings(port))
    assert error.retryable is not final
    set_right = not final and reply.startswith("5")
    assert error.hint == ("check username, sender, recipients and relay rules" if set_right else "")


@pytest.mark.parametrize("verb", VERBS)
async def test_a_server_that_hangs_up_at_any_verb_confirms_nothing(verb: str) -> None:
    with mail.scripted({verb: None, "HELO": None}) as (port, heard):
        assert (await refusal(settings(port))).retryable
        assert verb in heard


@pytest.mark.parametrize("reply", [b"221 bye\r\n", b"500 what\r\n", None])
async def test_what_a_server_makes_of_the_goodbye_changes_nothing(reply: bytes | None) -> None:
    with mail.scripted({"QUIT": reply}) as (port, heard):
        await send(settings(port))
        assert heard.count("DOT") == 1


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("reply", [b"2", b"250-more\r\n" * 100_000, b"\xff\xfe\r\n", b"x" * 100_000])
async def test_an_answer_that_is_none_ends_in_time_and_confirms_nothing(verb: str, reply: bytes) -> None:
    started = time.monotonic()
    with mail.scripted({verb: reply, "HELO": reply}) as (port, _):
        error = await refusal(settings(port, timeout=1))
    assert error.retryable
    assert time.monotonic() - started < 8


async def test_an_answer_without_end_is_read_no_further_than_64_kilobytes() -> None:
    sent = 0
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        nonlocal sent
        with contextlib.suppress(OSError), listener.accept()[0] as connection:
            while True:
                sent += connection.send(b"220-more\r\n" * 5000)

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        assert (await refusal(settings(listener.getsockname()[1], timeout=3))).retryable
    assert sent < 16_000_000, "what the buffers of the system hold"


async def test_answers_a_byte_at_a_time_end_in_time() -> None:
    started = time.monotonic()
    with mail.scripted({"EHLO": b"250 " + b"x" * 400 + b"\r\n"}, drip=0.05) as (port, _):
        assert (await refusal(settings(port, timeout=1))).retryable
    assert time.monotonic() - started < 8


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"sender": "auditor"}, "sender`: is no address"),
        ({"sender": "a@example.com\r\nBcc: evil@example.com"}, "sender`: is no address"),
        ({"to": ["a@example.com", "b@example.com>\nX: y"]}, "to.1`: is no address"),
        ({"to": []}, "to`: name 1 to 100 addresses"),
        ({"username": "ada"}, "set exactly one of password and password_file"),
        ({"password": "canary"}, "a password needs a username"),
        ({"username": "ada", "password": "canary"}, "only with security: starttls or tls"),
        ({"username": "ada", "password_file": "/nonexistent", "security": "tls"}, "cannot read the secret file"),
        ({"hello": "a\r\nb"}, "hello"),
        ({"ca_file": "/nonexistent/ca.pem"}, "cannot use ca_file"),
    ],
)
def test_a_wrong_setting_is_told(more: Settings, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build("mail", settings(25, **more))
    assert message in caught.value.message
    assert not re.search("canary|evil", caught.value.message)


@pytest.mark.parametrize("key", ["sender", "to"])
@pytest.mark.parametrize(
    "address",
    [
        "a..b@example.com",
        ".a@example.com",
        "a.@example.com",
        "a@b..c",
        "a@b...example.com",
        "=?utf-8?q?a?=@example.com",
        "a=?utf-8?q?=0D=0ABcc:_evil?=@example.com",
        "=?us-ascii?q?a=40example.net?=.b@example.com",
    ],
)
def test_an_address_that_no_letter_bears_is_refused_with_the_configuration(key: str, address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build("mail", settings(25, **{key: address}))
    assert f"{key if key == 'sender' else 'to.0'}`: is no address" in caught.value.message
    assert "@example.com" in caught.value.message, "how one is written"
    assert address not in caught.value.message


@pytest.mark.parametrize(
    "address",
    [
        "a.b@example.com",
        "o'brien+x@mail.example.com",
        "!#$%&'*/?=^_`{|}~-@example.com",
        "a=b?c=@localhost",
        "-a-@example--x.com",
        "a" * 64 + "@" + ".".join(["b" * 63] * 3),
    ],
)
async def test_an_address_that_is_taken_arrives_as_it_is_written(address: str) -> None:
    with mail.serving() as inbox:
        await send(settings(inbox.port, sender=address, to=[address, "ada@example.com"]))
    assert inbox.letters[0]["From"].addresses[0].addr_spec == address
    assert inbox.letters[0]["To"].addresses[0].addr_spec == address
    assert inbox.recipients == [[address, "ada@example.com"]]


async def test_no_letter_goes_unencrypted_over_the_internet() -> None:
    error = await refusal(settings(25, host="192.0.2.1", allow_private=["10.0.0.0/8"]))
    assert "without TLS" in error.message
    assert error.hint.startswith("set `security: starttls` or `tls`; or name the network")


async def test_an_address_that_stands_there_twice_is_one() -> None:
    with mail.serving() as inbox:
        inbox.refuse = ("b@example.com",)
        receipt = await send(settings(inbox.port, to=["a@example.com", "b@example.com", "a@example.com"]))
    assert inbox.recipients == [["a@example.com"]]
    assert list(receipt.refused) == ["b@example.com"]
