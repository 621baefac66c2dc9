"""Where a TOML document states its keys: the line and the column of every key, table and entry.

Neither `tomllib` nor tomlkit keeps positions. This scanner reads a document that is valid TOML, and so may ignore what
values mean. `tests/unit/environments/test_positions.py` compares it with `tomllib`: same keys, same values.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_SPACE: Final = re.compile(r"[ \t]*")
_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_TEXT: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR: Final = re.compile(r"[^,\]}#\n]+")
_CONTINUED: Final = re.compile(r"\s{2,}#\s*(.*)")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, order=True)
class Position:
    """A place in a text, counted from 1."""

    line: int
    column: int


@dataclass
class Positions:
    """The positions of a document.

    Attributes:
        of: by path, such as ``prod.service.clients[0].name``. A table has the position of its first header.
        spans: where the value of a key begins and ends, as offsets.
    """

    text: str
    of: dict[str, Position] = field(default_factory=dict)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    _starts: list[int] = field(default_factory=list)
    _entries: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._starts = [0, *(found.end() for found in re.finditer("\n", self.text))]

    @classmethod
    def scan(cls, text: str) -> Positions:
        """Return the positions of a document that `tomllib` accepts."""
        positions = cls(text)
        positions._document()
        return positions

    def at(self, offset: int) -> Position:
        """Return the position of an offset."""
        line = bisect_right(self._starts, offset)
        return Position(line, offset - self._starts[line - 1] + 1)

    def find(self, path: str) -> Position | None:
        """Return the position of a setting of an environment, or of the table that it would be in.

        An environment inherits from the table `defaults`, whose tables are merged key by key; every other value is
        replaced as a whole.

        Args:
            path: begins with the name of the environment.
        """
        name = re.split(r"[.\[]", path, maxsplit=1)[0]
        shadowed = any(found in self.spans for found in _prefixes(path))
        for found in _prefixes(path):
            if found in self.of:
                return self.of[found]
            inherited = f"defaults{found.removeprefix(name)}"
            if found != name and inherited in self.of and not shadowed:
                return self.of[inherited]
        return None

    def _document(self) -> None:
        offset, table = _after(_BLANK, self.text, 0), ""
        while offset < len(self.text):
            if self.text.startswith("[[", offset):
                names, end = self._key(offset + 2)
                table = self._array_header(names, offset)
                offset = end + 2
            elif self.text[offset] == "[":
                names, end = self._key(offset + 1)
                table = self._header(names, offset)
                offset = end + 1
            else:
                offset = self._pair(table, offset)
            offset = _after(_BLANK, self.text, offset)

    def _header(self, names: list[str], offset: int) -> str:
        path = ""
        for name in names:
            path = self._inside(_joined(path, name))
            self.of.setdefault(path, self.at(offset))
        return path

    def _array_header(self, names: list[str], offset: int) -> str:
        above = self._header(names[:-1], offset)
        path = _joined(above, names[-1])
        number = self._entries.get(path, 0)
        self._entries[path] = number + 1
        entry = f"{path}[{number}]"
        for found in (path, entry):
            self.of.setdefault(found, self.at(offset))
        self.spans.setdefault(path, (offset, offset))
        return entry

    def _inside(self, path: str) -> str:
        """Return the newest entry, if a path is that of an array of tables: headers below it mean that entry."""
        return f"{path}[{self._entries[path] - 1}]" if path in self._entries else path

    def _pair(self, table: str, offset: int) -> int:
        """Read a key with its value; return where it ends."""
        names, end = self._key(offset)
        path = table
        for name in names:
            path = _joined(path, name)
            self.of.setdefault(path, self.at(offset))
        begin = _after(_SPACE, self.text, end + 1)
        return self._value(path, begin)

    def _value(self, path: str, offset: int) -> int:
        """Read a value; return where it ends. A table that is inline has keys, and is no value itself."""
        if self.text[offset] == "{":
            return self._inline_table(path, offset)
        if self.text[offset] == "[":
            end = self._array(path, offset)
        else:
            found = _TEXT.match(self.text, offset) or _SCALAR.match(self.text, offset)
            assert found is not None, "the document is valid TOML"
            end = offset + len(found[0].rstrip())
        self.spans[path] = (offset, end)
        return end

    def _array(self, path: str, offset: int) -> int:
        offset, number = _after(_BLANK, self.text, offset + 1), 0
        while self.text[offset] != "]":
            entry = f"{path}[{number}]"
            self.of[entry] = self.at(offset)
            offset = _after(_BLANK, self.text, self._value(entry, offset))
            if self.text[offset] == ",":
                offset = _after(_BLANK, self.text, offset + 1)
            number += 1
        return offset + 1

    def _inline_table(self, path: str, offset: int) -> int:
        offset = _after(_BLANK, self.text, offset + 1)
        while self.text[offset] != "}":
            offset = _after(_BLANK, self.text, self._pair(path, offset))
            if self.text[offset] == ",":
                offset = _after(_BLANK, self.text, offset + 1)
        return offset + 1

    def _key(self, offset: int) -> tuple[list[str], int]:
        """Read a key, which may be dotted and quoted; return its parts and where it ends, with the space after it."""
        names = []
        while True:
            offset = _after(_SPACE, self.text, offset)
            found = _TEXT.match(self.text, offset) or _BARE_KEY.match(self.text, offset)
            assert found is not None, "the document is valid TOML"
            names.append(found[0] if _BARE_KEY.fullmatch(found[0]) else next(iter(tomllib.loads(f"{found[0]} = 0"))))
            offset = _after(_SPACE, self.text, found.end())
            if self.text[offset] != ".":
                return names, offset
            offset += 1


def syntax_error_position(text: str, error: tomllib.TOMLDecodeError) -> Position:
    """Return where a syntax error is. Its message has the place; without one it is at the end."""
    found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
    return Position(int(found[1]), int(found[2])) if found else Positions(text).at(len(text))


def _after(pattern: re.Pattern[str], text: str, offset: int) -> int:
    found = pattern.match(text, offset)
    return found.end() if found else offset


def _joined(table: str, name: str) -> str:
    return f"{table}.{name}" if table else name


def _prefixes(path: str) -> list[str]:
    """Return a path and the paths of what contains it, the longest first."""
    ends = [len(path), *(found.start() for found in re.finditer(r"[.\[]", path))]
    return [path[:end] for end in sorted(ends, reverse=True)]


def comments(text: str, positions: Positions) -> Mapping[str, str]:
    """Return the comments that follow values, by path: of the same line, and of the lines below that only continue it."""
    lines = text.splitlines()
    found = {}
    for path, (_, end) in positions.spans.items():
        place = positions.at(end)
        comment = re.fullmatch(r"[ \t]*#\s*(.*)", lines[place.line - 1][place.column - 1 :])
        if comment is None:
            continue
        words = [comment[1]]
        for line in lines[place.line :]:
            continued = _CONTINUED.fullmatch(line)
            if continued is None:
                break
            words.append(continued[1])
        found[path] = " ".join(words).strip()
    return found
