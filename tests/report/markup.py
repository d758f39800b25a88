"""Checks of HTML that need no library: every element closed, ids unique, references that lead somewhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {'meta', 'link', 'br', 'hr', 'img', 'input'}
REFERENCES = ('aria-labelledby', 'aria-describedby', 'for')


@dataclass
class Markup:
    """What a page holds.

    Args:
        problems (list[str]): Elements that are not closed, or closed and not open.
        ids (Counter): How often each id occurs.
        references (set[str]): Ids that links, ``use`` elements and ARIA attributes name.
        addresses (list[str]): Values of ``href`` and ``src`` that do not begin with '#'.
        elements (Counter): Names of elements.
        text (str): All text outside of scripts and styles.
        attributes (list[tuple[str, dict]]): Name and attributes of each element.
    """

    problems: list[str] = field(default_factory=list)
    ids: Counter = field(default_factory=Counter)
    references: set[str] = field(default_factory=set)
    addresses: list[str] = field(default_factory=list)
    elements: Counter = field(default_factory=Counter)
    text: str = ''
    attributes: list[tuple[str, dict]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.found = Markup()
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self._element(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self._element(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.found.problems.append(f'</{tag}> at {self.getpos()} with {self.open[-3:]} open')
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if not {'script', 'style'} & set(self.open[-1:]):
            self.parts.append(data)

    def _element(self, tag: str, attrs: list) -> None:
        names = Counter(name for name, _ in attrs)
        self.found.problems += [f'{tag}: {name} twice' for name, count in names.items() if count > 1]
        values = dict(attrs)
        self.found.elements[tag] += 1
        self.found.attributes.append((tag, values))
        if 'id' in values:
            self.found.ids[values['id']] += 1
        for name in REFERENCES:
            self.found.references |= set((values.get(name) or '').split())
        for name in ('href', 'src'):
            address = values.get(name)
            if address and address.startswith('#'):
                self.found.references.add(address[1:])
            elif address:
                self.found.addresses.append(address)


def read_markup(page: str) -> Markup:
    """Parse a page."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    reader.found.problems += [f'<{tag}> is not closed' for tag in reader.open]
    reader.found.text = ' '.join(''.join(reader.parts).split())
    return reader.found
