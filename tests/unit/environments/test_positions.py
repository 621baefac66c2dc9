"""The scanner finds every key that `tomllib` finds, at the place where its value is."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import environments
from orchestrator.environments.positions import Position, Positions, comments

DOCUMENT = '''# a comment = 1
top = 1  # [not.a.table]

[a]
b.c = "x = 1 # no comment"
"quoted key" = 'it''s'
'literal."key"'.d = 2
text = """
[not.a.table]
key = "no key" \\""" #
"""
quotes = """one \\" two ""five"""""
literal = \'\'\'
[no]\'\'\'
empty = ""
date = 1979-05-27 07:32:00 # with a space
  indented = true
[ a . "p.q" ] # spaces
list = [ 1, # [
  "]", # a comment, with a comma
  [2, 3],
  { x = 1, y.z = [4] },
]
inline = { k = "}", "l m" = { n = 5 } }
nothing = []
none = {}

[[entries]]
name = "first"
[entries.sub]
key = 1
[[entries.more]]
key = 2
[[entries.more]]
key = 3
[[entries]]
name = "second"
[[entries.more]]
key = 4
[a.later]
x = 1979-05-27T07:32:00Z
'''.replace("'it''s'", '"it is"')


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from leaves(entry, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(entry, Mapping | list) for entry in value):
        for number, entry in enumerate(value):
            yield from leaves(entry, f"{path}[{number}]")
    else:
        yield path, value


def assert_every_value_is_at_its_place(text: str) -> None:
    positions = Positions.scan(text)
    for path, value in leaves(tomllib.loads(text)):
        assert path in positions.of, path
        begin, end = positions.spans[path]
        assert tomllib.loads(f"x = {text[begin:end]}")["x"] == value, path
        key_at = positions.of[path]
        assert key_at <= positions.at(begin), path
    assert set(positions.of.values()) <= {Position(*at) for at in _all_positions(text)}


def _all_positions(text: str) -> Iterator[tuple[int, int]]:
    for number, line in enumerate(text.split("\n"), 1):
        yield from ((number, column) for column in range(1, len(line) + 2))


@pytest.mark.parametrize("text", [DOCUMENT, DOCUMENT.replace("\n", "\r\n"), DOCUMENT.rstrip(), "", "# only\n"])
def test_every_form_of_a_key_is_found_at_its_value(text):
    assert_every_value_is_at_its_place(text)


def test_the_settings_of_this_project_are_found_at_their_values():
    assert_every_value_is_at_its_place(environments.settings_file().read_text(encoding="utf-8"))


NAMES = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,5}", fullmatch=True), st.sampled_from(["a b", "#", "é", "POST /x", "="])
)
VALUES = st.one_of(
    st.integers(-9, 9), st.booleans(), st.text(alphabet="ab\"'#[]{}\n\\,= ", max_size=8), st.dates(), st.floats(0, 1)
)
TREES = st.recursive(
    VALUES,
    lambda inner: st.one_of(
        st.lists(VALUES, max_size=3),
        st.lists(st.dictionaries(NAMES, inner, max_size=3), min_size=1, max_size=3),
        st.dictionaries(NAMES, inner, max_size=3),
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(NAMES, TREES, max_size=4))
def test_documents_of_every_shape_are_found_at_their_values(document):
    assert_every_value_is_at_its_place(tomlkit.dumps(document))


def test_lines_and_columns_are_counted_from_one():
    positions = Positions.scan(DOCUMENT)
    assert positions.of["top"] == Position(2, 1)
    assert positions.of["a"] == Position(4, 1)
    assert positions.of["a.indented"] == Position(DOCUMENT[: DOCUMENT.index("indented")].count("\n") + 1, 3)
    lines = DOCUMENT.splitlines()
    assert lines[positions.of["a.p.q.list[3].y.z"].line - 1].startswith("  { x = 1, y.z")
    assert lines[positions.of["entries[1].more[0].key"].line - 1] == "key = 4"
    assert positions.of["entries"] == positions.of["entries[0]"]


INHERITING = """[defaults.service]
level = "INFO"
[[defaults.service.clients]]
id = "a"
name = "A"
[defaults.service.functions]
token = { memory = 1 }
[prod.service]
level = "DEBUG"
[dev]
region = "x"
[[dev.service.clients]]
id = "b"
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("prod.service.level", 9),
        ("dev.service.level", 2),
        ("prod.service.clients[0].name", 5),
        ("prod.service.functions.token.memory", 7),
        ("prod.service.functions.token.size", 7),
        ("dev.service.clients[0].id", 13),
        # The list of dev replaces that of the defaults as a whole.
        ("dev.service.clients[0].name", 12),
        ("dev.service.missing", 12),
        ("prod.service.missing", 8),
        ("prod.absent.missing", 8),
    ],
)
def test_an_inherited_setting_is_where_the_defaults_state_it_unless_it_is_replaced(path, line):
    found = Positions.scan(INHERITING).find(path)
    assert found is not None
    assert found.line == line


def test_what_no_table_of_an_environment_can_have_has_no_place():
    assert Positions.scan(INHERITING).find("environment") is None


COMMENTED = """
# of no value
a = 1            # one
                 # and more
# of no value
b = [ # of no value
  2, # not of the comma's entry
  3 # of an entry
]                # of the list
c = "#"
d.e = "#"  # "quoted" # twice
"""


def test_a_comment_after_a_value_is_found_with_the_lines_that_continue_it():
    found = comments(COMMENTED, Positions.scan(COMMENTED))
    assert found == {"a": "one and more", "b[1]": "of an entry", "b": "of the list", "d.e": '"quoted" # twice'}
