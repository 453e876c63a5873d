"""What HTML is made of, read by the parser of the standard library: tags, attributes, and whether all is closed."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta", "link", "br", "input", "img", "hr", "base"})

Attributes = dict[str, str | None]


@dataclass
class Outline(HTMLParser):
    """The structure of a document."""

    elements: list[tuple[str, Attributes]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if len(attrs) != len(dict(attrs)):
            self.faults.append(f"<{tag}> has an attribute twice")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self._open[-1:] or 'nothing'}")
        else:
            self._open.pop()

    def close(self) -> None:
        super().close()
        self.faults += [f"<{tag}> is never closed" for tag in self._open]

    @property
    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]

    @property
    def skeleton(self) -> list[tuple[str, tuple[str, ...]]]:
        """Tags with the names of their attributes: what no text may change."""
        return [(tag, tuple(sorted(attributes))) for tag, attributes in self.elements]

    @property
    def attribute_names(self) -> set[str]:
        return {name for _, attributes in self.elements for name in attributes}

    @property
    def ids(self) -> set[str]:
        return {attributes["id"] or "" for _, attributes in self.elements if "id" in attributes}

    @property
    def id_count(self) -> int:
        return sum("id" in attributes for _, attributes in self.elements)

    def attributes(self, tag: str) -> list[Attributes]:
        return [attributes for each, attributes in self.elements if each == tag]


def outline(html: str) -> Outline:
    """The structure of `html`."""
    made = Outline()
    made.feed(html)
    made.close()
    return made
