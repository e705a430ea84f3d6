"""Reads a page back the way the tests ask about it."""

from html.parser import HTMLParser
from itertools import pairwise


class Page(HTMLParser):
    """What a page holds.

    Attributes:
        tags: every start tag with its attributes, in order.
        headings: (level, text) in order.
        tables: rows of cell texts, by table caption.
        text: all visible text, spaces collapsed.
    """

    _VOID = ("meta", "link", "img", "br", "hr", "input")

    def __init__(self, source: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.headings: list[tuple[int, str]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.unclosed: list[str] = []
        self._texts: list[str] = []
        self._cell: list[str] = []
        self._rows: list[list[str]] = []
        self.feed(source)
        self.close()
        self.text = " ".join(" ".join(self._texts).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self._VOID:
            self.unclosed.append(tag)
        if tag == "table":
            self._rows = []
        if tag == "tr":
            self._rows.append([])
        if tag in ("th", "td", "caption") or tag[:1] == "h":
            self._cell = []

    def handle_endtag(self, tag):
        if self.unclosed.pop() != tag:
            raise AssertionError(f"</{tag}> closes another element")
        content = " ".join("".join(self._cell).split())
        if tag in ("th", "td"):
            self._rows[-1].append(content)
        if tag == "caption":
            self.tables[content] = self._rows
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append((int(tag[1]), content))

    def handle_data(self, data):
        self._cell.append(data)
        if not self.unclosed or self.unclosed[-1] != "style":
            self._texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def check_page(source: str) -> Page:
    """Parses a page and checks what holds of every page: self-contained, ordered, accessible."""
    page = Page(source)
    assert page.unclosed == []
    assert page.all("html") == [{"lang": "en"}]
    assert not page.all("script")
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            address = attributes.get(name, "data:")
            assert address.startswith(("data:", "#")), (tag, address)
        assert not any(name.startswith("on") for name in attributes)
    assert "url(" not in source
    assert "@import" not in source
    for image in page.all("img"):
        assert image["src"].startswith(("data:image/svg+xml;base64,", "data:image/png;base64,"))
        assert len(image["alt"]) > 20
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for link in page.all("a"):
        assert link["href"].removeprefix("#") in ids
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(head["scope"] in ("col", "row", "colgroup") for head in page.all("th"))
    assert len(page.tables) == len(page.all("table"))
    assert "Research use only, not for diagnosis." in page.text
    return page
