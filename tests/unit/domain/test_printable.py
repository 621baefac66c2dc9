"""What is printed of a text that a stranger wrote: nothing in it reaches the terminal as a command."""

import unicodedata

import pytest

from orchestrator.domain.printable import one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m red", r"\x9b31m red"),
        ("over\rwritten", r"over\rwritten"),
        ("back\x08\x08", r"back\x08\x08"),
        ("nul\x00 del\x7f", r"nul\x00 del\x7f"),
        ("user\u202etxt.exe", r"user\u202etxt.exe"),
        ("\u2066a\u2069 \u200e\u200f\u061c", r"\u2066a\u2069 \u200e\u200f\u061c"),
        ("line\u2028and\u2029paragraph", r"line\u2028and\u2029paragraph"),
        ("\ud800", r"\ud800"),
        ("日\u200c本語 — naïve 日本 👩\u200d💻 [bold]", "日\u200c本語 — naïve 日本 👩\u200d💻 [bold]"),
        ("first\n\tsecond", "first\n\tsecond"),
    ],
)
def test_control_characters_are_shown_and_letters_of_every_script_stay(text, shown):
    assert printable(text) == shown


def test_no_control_character_is_left():
    every = "".join(map(chr, range(0x11000)))
    left = {character for character in printable(every) if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}}
    assert left == {"\t", "\n"}
    assert "\n" not in one_line(every)
    assert "\t" not in one_line(every)


def test_one_line_of_a_list_cannot_forge_the_next():
    assert one_line("done\nd-2 SUCCEEDED\x1b[8m") == r"done\nd-2 SUCCEEDED\x1b[8m"
