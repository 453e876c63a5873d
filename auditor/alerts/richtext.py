"""The pieces of Slack's blocks in which text is read literally, whoever wrote it."""

from collections.abc import Sequence

from slack_sdk.models.blocks import (
    PlainTextObject,
    RichTextElement,
    RichTextElementParts,
    RichTextListElement,
    RichTextSectionElement,
)

from auditor.alerts.untrusted import beside, ended, named, one_line

NAME_MAX = 80
ID_MAX = 64


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


def name_and_id(name: str, id_: str) -> Sequence[RichTextElement]:
    """What members call something, and the id beside it: they cannot choose that, nor how it is set."""
    if not beside(name, id_):
        return (bold(named(name, id_, NAME_MAX) or "-"),)
    return bold(one_line(name, NAME_MAX) or "-"), text(" "), code(ended(id_, ID_MAX))


def struck(words: str) -> RichTextElement:
    """Words that do not hold any more."""
    return RichTextElementParts.Text(text=words, style={"strike": True})


def length(part: object) -> int:
    """Characters of all texts in what is sent of a block; one beyond the first 65,536 signs of Unicode counts twice."""
    if isinstance(part, dict):
        return sum(
            len(each) + sum(sign > "\uffff" for sign in each)
            if name == "text" and isinstance(each, str)
            else length(each)
            for name, each in part.items()
        )
    return sum(map(length, part)) if isinstance(part, list) else 0


def code(words: str) -> RichTextElement:
    """An id or the like."""
    return RichTextElementParts.Text(text=words or "-", style={"code": True})
