"""The strict reader of tables: each value is of its type and within its bounds, or is refused with place and remedy."""

import json
import re
from math import inf, nan

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.schema import EnvironmentRefused, Findings, Observer, SettingsReader
from orchestrator.domain.setting_rules import Choice, WholeNumber

WORD = re.compile("[a-z]+")


def reader(**values):
    return SettingsReader("prod.service", values)


def test_values_of_the_right_type_are_returned():
    settings = reader(
        text="one", word="two", flag=True, number=1.5, count=3, ports=[1, 2], days=30, share=0.5, names=["a"], kind="b"
    )
    assert (settings.text("text"), settings.optional_text("word", matching=WORD)) == ("one", "two")
    assert (settings.optional_text("absent"), settings.flag("flag"), settings.flag("other", default=False)) == (
        None,
        True,
        False,
    )
    assert (settings.number("number", 1, 2), settings.whole_number("count", 3, 3)) == (1.5, 3)
    assert (settings.whole_numbers("ports", 1, 2), settings.whole_numbers("none", 1, 2)) == ((1, 2), ())
    assert (settings.whole_number_of("days", (7, 30)), settings.percent("share")) == (30, 0.5)
    assert (settings.texts("names", at_least=1), settings.choice("kind", ("a", "b"))) == (("a",), "b")
    settings.refuse_unknown_keys()


def test_a_json_number_that_is_whole_counts_as_whole():
    count = reader(count=10.0).whole_number("count", 1, 10)
    assert (count, type(count)) == (10, int)


def test_tables_are_named_by_their_place():
    settings = reader(one={"a": 1}, many=[{"b": 2}], other={"c": {"d": 3}})
    assert settings.table("one").field("a") == "prod.service.one.a"
    assert [table.field("b") for table in settings.tables("many")] == ["prod.service.many[0].b"]
    assert list(settings.table("other").children()) == ["c"]
    assert (settings.table("absent").path, settings.tables("no")) == ("prod.service.absent", [])


def test_a_table_without_a_place_names_its_keys_alone():
    assert SettingsReader("", {}).field("release") == "release"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("x", lambda settings: settings.table("key")),
        ("x", lambda settings: settings.tables("key")),
        ("", lambda settings: settings.text("key")),
        (" ", lambda settings: settings.text("key")),
        (1, lambda settings: settings.text("key")),
        ("B", lambda settings: settings.optional_text("key", matching=WORD)),
        ("c", lambda settings: settings.choice("key", ("a", "b"))),
        (1, lambda settings: settings.choice("key", ("a", "b"))),
        (1, lambda settings: settings.flag("key")),
        (True, lambda settings: settings.whole_number_of("key", (1, 2))),
        ("1", lambda settings: settings.whole_number_of("key", (1, 2))),
        (3, lambda settings: settings.whole_number_of("key", (1, 2))),
        ("a", lambda settings: settings.texts("key")),
        ([""], lambda settings: settings.texts("key")),
        ([], lambda settings: settings.texts("key", at_least=1)),
        (1, lambda settings: settings.whole_numbers("key", 1, 9)),
        ([True], lambda settings: settings.whole_numbers("key", 1, 9)),
        ([2, 2], lambda settings: settings.whole_numbers("key", 1, 9)),
        ([0], lambda settings: settings.whole_numbers("key", 1, 9)),
    ],
)
def test_any_other_value_is_refused_with_place_value_and_remedy(value, read):
    with pytest.raises(EnvironmentRefused) as refused:
        read(reader(key=value))
    assert (refused.value.field, refused.value.value) == ("prod.service.key", value)
    assert refused.value.remedy


@pytest.mark.parametrize("value", [True, None, "5", nan, inf, -inf, 0, 11])
@pytest.mark.parametrize(
    "read",
    [
        lambda settings: settings.number("key", 1, 10),
        lambda settings: settings.whole_number("key", 1, 10),
    ],
)
def test_a_number_is_finite_and_within_both_bounds(read, value):
    with pytest.raises(Refused):
        read(reader(key=value))


@pytest.mark.parametrize("value", [True, None, "5", nan, inf, -inf, 0, 100.1])
def test_a_percentage_is_above_0_and_at_most_100(value):
    with pytest.raises(Refused, match="give a percentage"):
        reader(key=value).percent("key")


def test_an_element_that_is_not_a_table_is_named_by_its_number():
    with pytest.raises(EnvironmentRefused, match=r"prod\.service\.key\[1\]: 3 is refused: give a table"):
        reader(key=[{}, 3]).tables("key")


def test_a_key_that_was_not_read_is_refused():
    settings = reader(name="a", nam="b")
    settings.text("name")
    with pytest.raises(EnvironmentRefused, match=r"prod\.service\.nam: 'b' is refused: remove it; known keys are name"):
        settings.refuse_unknown_keys()


def test_the_caller_chooses_the_error_for_its_table_and_the_tables_in_it():
    settings = SettingsReader("delivery", {"thresholds": {"max": 1}, "steps": [{"weight": 1}]}, Refused)
    for table in (settings, settings.table("thresholds"), *settings.tables("steps")):
        assert type(table.refused("key", 1, "remove it")) is Refused


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("\ud800", lambda settings: settings.text("key")),
        ("a\udfff", lambda settings: settings.optional_text("key")),
        ("\ud800" * 1000, lambda settings: settings.text("key", at_most=10)),
        (["a", "\ud800"], lambda settings: settings.texts("key")),
        ("\ud800", lambda settings: settings.choice("key", ("a",))),
    ],
)
def test_a_text_that_utf_8_cannot_encode_is_refused_by_its_field_with_an_escaped_value(value, read):
    with pytest.raises(EnvironmentRefused, match=r"prod\.service\.key: .*\\ud[8f].* is refused: ") as refused:
        read(reader(key=value))
    assert refused.value.field == "prod.service.key"
    assert str(refused.value).encode()


def test_a_pair_of_surrogates_of_json_is_a_character():
    assert reader(key=json.loads(r'"\ud83d\ude00"')).text("key") == "😀"


WRONG = {
    "text": 1, "word": "B", "long": "abc", "lone": "\ud800", "flag": "x", "number": True, "count": 1.5, "ports": [2, 1],
    "days": 8, "share": 0, "names": [""], "lones": ["\udfff"], "kind": "c", "table": 3, "many": [{}, 4], "list": 5,
    "more": {"good": {}, "bad": 6}, "unknown": 7, "other": 8,
}  # fmt: skip


def test_findings_are_collected_and_every_reading_method_goes_on():
    findings = Findings()
    settings = SettingsReader("prod", WRONG, observer=findings)
    read = [
        settings.text("text"), settings.text("word", matching=WORD), settings.text("long", at_most=2),
        settings.text("lone"), settings.flag("flag"), settings.number("number", 1, 2), settings.whole_number("count", 3, 4),
        settings.whole_numbers("ports", 1, 9), settings.whole_number_of("days", (7, 30)), settings.percent("share"),
        settings.texts("names"), settings.texts("lones"), settings.choice("kind", ("a", "b")),
    ]  # fmt: skip
    assert read == ["", "", "abc", "\ud800", False, 1, 3, (), 7, 100, (), ("\udfff",), "a"]
    inner = settings.table("table")
    # What is in a table that is none was reported once, as the table.
    assert (inner.text("name"), inner.table("deeper").whole_number("n", 1, 2)) == ("", 1)
    assert [entry.path for entry in settings.tables("many")] == ["prod.many[0]"]
    assert settings.tables("list") == []
    assert list(settings.table("more").children()) == ["good"]
    settings.refuse_unknown_keys()
    assert [error.field.removeprefix("prod.") for error in findings.errors] == [
        "text", "word", "long", "lone", "flag", "number", "count", "ports", "days", "share", "names", "lones", "kind",
        "table", "many[1]", "list", "more.bad", "unknown", "other",
    ]  # fmt: skip


def test_a_table_whose_kind_is_wrong_has_no_other_finding():
    findings = Findings()
    settings = SettingsReader("prod", {"kind": "c", "steps": 1}, observer=findings)
    assert settings.choice("kind", ("a", "b"), decides=True) == "a"
    settings.text("absent")
    settings.refuse_unknown_keys()
    assert [error.field for error in findings.errors] == ["prod.kind"]
    assert SettingsReader("prod", {"kind": "b"}).choice("kind", ("a", "b"), decides=True) == "b"


class Recorded(Observer):
    """Records what is read, by the place at which it is reported."""

    def __init__(self, place, seen):
        self.place, self.seen = place, seen

    def value(self, key, rule, *, optional):
        self.seen.append((f"{self.place}.{key}", type(rule).__name__, optional))

    def key_tested(self, key):
        self.seen.append((f"{self.place}.{key}", "key_tested", True))

    def closed(self):
        self.seen.append((self.place, "closed", True))

    def table(self, key):
        return Recorded(f"{self.place}.{key}", self.seen)

    def entry(self, key):
        return Recorded(f"{self.place}.{key}[]", self.seen)

    def child(self):
        return Recorded(f"{self.place}.*", self.seen)


def test_an_observer_is_informed_of_everything_that_is_read():
    seen = []
    document = {"t": {"a": 1}, "l": [{"b": "x"}], "m": {"one": {"c": True}}, "s": ["x"], "any": 1, "n": 2}
    settings = SettingsReader("prod", document, observer=Recorded("", seen))
    settings.table("t").whole_number("a", 1, 2)
    settings.tables("l")[0].text("b")
    settings.table("m").children()["one"].flag("c", default=False)
    settings.texts("s")
    settings.take("any", described_by=(Choice(("x",)),))
    settings.whole_number("n", 1, 2, described_by=WholeNumber(1, 9))
    settings.optional_text("absent")
    settings.refuse_unknown_keys()
    assert seen == [
        (".t.a", "WholeNumber", False),
        (".l[].b", "Text", False),
        (".m.*.c", "Flag", True),
        (".s", "Texts", True),
        (".any", "Anything", True),
        (".n", "WholeNumber", False),
        (".absent", "Text", True),
        (".absent", "key_tested", True),
        ("", "closed", True),
    ]


def test_by_default_everything_is_reported_to_the_observer_that_raises_the_first_refusal():
    observer = Observer()
    assert {observer.table("a"), observer.entry("a"), observer.child()} == {observer}
    error = EnvironmentRefused("prod.a", 1, "remove it")
    with pytest.raises(EnvironmentRefused, match="remove it"):
        observer.refused(error, 2)


def test_a_refusal_has_its_place_in_front_once_it_is_known():
    error = EnvironmentRefused("prod.a", 1, "remove it")
    assert (str(error), error.place) == ("prod.a: 1 is refused: remove it", "")
    located = error.at("environments.toml", 31, 5)
    assert str(located) == "environments.toml:31: prod.a: 1 is refused: remove it"
    assert (located.place, located.line, located.column) == ("environments.toml:31", 31, 5)
