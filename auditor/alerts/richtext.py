"""The pieces of Slack's blocks in which text is read literally, whoever wrote it."""

from collections.abc import Sequence

from slack_sdk.models.blocks import (
    PlainTextObject,
    RichTextElement,
    RichTextElementParts,
    RichTextListElement,
    RichTextSectionElement,
)

from auditor.alerts.untrusted import one_line


def plain(words: str, limit: int) -> PlainTextObject:
    """One line of at most `limit` characters."""
    return PlainTextObject(text=one_line(words, limit), emoji=False)


def section(*parts: RichTextElement) -> RichTextSectionElement:
    """A line made of parts."""
    return RichTextSectionElement(elements=parts)


def bullets(items: Sequence[RichTextElement]) -> RichTextListElement:
    """A list of lines."""
    return RichTextListElement(elements=items, style="bullet")


def text(words: str) -> RichTextElement:
    """Words as they are."""
    return RichTextElementParts.Text(text=words)


def bold(words: str) -> RichTextElement:
    """Words that are the name of something."""
    return RichTextElementParts.Text(text=words, style={"bold": True})


def struck(words: str) -> RichTextElement:
    """Words that do not hold any more."""
    return RichTextElementParts.Text(text=words, style={"strike": True})


def code(words: str) -> RichTextElement:
    """An id or the like."""
    return RichTextElementParts.Text(text=words or "-", style={"code": True})
