"""The multiset digest: what it disregards, and everything that it does not."""

from __future__ import annotations

import json
import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.table_comparison import digest
from orchestrator.domain.table_comparison.digest import Digest

KEY, OTHER_KEY = b"k" * 32, b"l" * 32
SCALAR = st.one_of(
    st.text(max_size=8).map(lambda text: {"S": text}),
    st.integers(-(10**12), 10**12).map(lambda number: {"N": str(number)}),
    st.booleans().map(lambda truth: {"BOOL": truth}),
    st.lists(st.text(max_size=4), min_size=1, max_size=4, unique=True).map(lambda texts: {"SS": texts}),
    st.lists(st.integers(-99, 99).map(str), min_size=1, max_size=4, unique=True).map(lambda numbers: {"NS": numbers}),
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda values: {"L": values}),
        st.dictionaries(st.text(max_size=4), inner, max_size=3).map(lambda values: {"M": values}),
    ),
    max_leaves=6,
)
ITEM = st.dictionaries(st.text(min_size=1, max_size=6), VALUE, min_size=1, max_size=5)


def spelled(items, draw=random.Random(1)):  # noqa: B008 - one stream of spellings
    """The same items with attributes and sets in another order."""

    def value(of):
        ((kind, content),) = of.items()
        if kind in {"SS", "NS", "BS"}:
            return {kind: draw.sample(content, len(content))}
        if kind == "L":
            return {kind: [value(each) for each in content]}
        return {kind: item(content)} if kind == "M" else of

    def item(of):
        return {name: value(of[name]) for name in draw.sample(list(of), len(of))}

    return [item(each) for each in items]


@given(st.lists(ITEM, max_size=6), st.randoms(use_true_random=False))
def test_order_pages_and_segments_do_not_matter(items, draw):
    shuffled = draw.sample(items, len(items))
    cut = draw.randint(0, len(items))
    parts = digest.digest_canonical(shuffled[:cut], KEY) + digest.digest_canonical(shuffled[cut:], KEY)
    assert parts == digest.digest_canonical(items, KEY)


@given(st.lists(ITEM, min_size=1, max_size=6))
def test_how_an_item_is_written_does_not_matter(items):
    assert digest.digest_canonical(spelled(items), KEY) == digest.digest_canonical(items, KEY)


@given(st.lists(ITEM, min_size=1, max_size=6), st.data())
def test_a_row_missing_twice_or_changed_shows(items, data):
    whole = digest.digest_canonical(items, KEY)
    place = data.draw(st.integers(0, len(items) - 1))
    assert digest.digest_canonical(items[:place] + items[place + 1 :], KEY) != whole
    assert digest.digest_canonical([*items, items[place]], KEY) != whole
    changed = {**items[place], "further": {"S": "x"}}
    assert digest.digest_canonical([*items[:place], changed, *items[place + 1 :]], KEY) != whole


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": {"S": "1"}}, {"a": {"N": "1"}}),
        ({"a": {"S": "YQ=="}}, {"a": {"B": "YQ=="}}),
        ({"a": {"SS": ["1"]}}, {"a": {"NS": ["1"]}}),
        ({"a": {"L": [{"S": "x"}, {"S": "y"}]}}, {"a": {"L": [{"S": "y"}, {"S": "x"}]}}),
        ({"a": {"BOOL": True}}, {"a": {"NULL": True}}),
        ({"a": {"N": "1"}}, {"b": {"N": "1"}}),
        ({"a": {"N": "1"}}, {"a": {"N": "-1"}}),
        ({"a": {"N": "1e-130"}}, {"a": {"N": "0"}}),
    ],
)
def test_types_names_signs_and_the_order_of_lists_matter(one, other):
    assert digest.digest_canonical([one], KEY) != digest.digest_canonical([other], KEY)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("0", "0"), ("-0", "0"), ("0.00", "0"), ("007", "7"), ("1.0", "1"), ("1", "1"), ("10", "10"), ("1E+1", "10"),
        ("-12.50", "-125e-1"), ("1e37", "1" + "0" * 37), ("1e38", "1e38"), ("9" * 38, "9" * 38), ("1" + "0" * 40, "1e40"),
        ("-1E+125", "-1e125"), ("1e-130", "1e-130"), ("+5", "5"),
    ],
)  # fmt: skip
def test_a_number_has_one_spelling(written, canonical):
    assert digest.canonical_number(written) == canonical
    assert Decimal(digest.canonical_number(written)) == Decimal(written)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20), max_value=10**20))
def test_equal_numbers_are_spelled_alike_and_others_not(exact):
    assert digest.canonical_number(str(exact)) == digest.canonical_number(
        f"{exact:f}0" if "." in f"{exact:f}" else f"{exact:f}.0"
    )
    assert digest.canonical_number(str(exact)) != digest.canonical_number(str(exact + Decimal("0.000001")))


@pytest.mark.parametrize("nonsense", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused(nonsense):
    with pytest.raises(ValueError, match="not finite"):
        digest.digest_canonical([{"a": {"N": nonsense}}], KEY)


def test_a_type_that_is_none_is_refused_by_name():
    with pytest.raises(ValueError, match="X is not a DynamoDB type"):
        digest.digest_canonical([{"a": {"X": "1"}}], KEY)


def test_without_the_key_a_digest_says_nothing_about_another_run():
    items = [{"pk": {"S": "a"}}]
    assert digest.digest_canonical(items, KEY) != digest.digest_canonical(items, OTHER_KEY)


def test_where_the_bytes_agree_the_raw_digest_agrees_without_reading_them():
    rows = [json.dumps({"pk": {"S": str(number)}}).encode() for number in range(50)]
    assert digest.digest_raw(reversed(rows), KEY) == digest.digest_raw(rows, KEY)
    assert digest.digest_raw(rows[1:], KEY) + digest.digest_raw(rows[:1], KEY) == digest.digest_raw(rows, KEY)
    assert digest.digest_raw([rows[0].replace(b"0", b"1"), *rows[1:]], KEY) != digest.digest_raw(rows, KEY)


def test_nothing_digests_to_nothing_and_its_text_says_so():
    assert digest.digest_raw([], KEY) == Digest()
    assert Digest().text == f"0:{'0' * 64}"
    assert digest.digest_raw([b"x"], KEY).text.startswith("1:")
    assert len(digest.digest_raw([b"x"], KEY).text) == 66


@settings(max_examples=25)
@given(st.lists(st.tuples(st.text(max_size=6), ITEM), max_size=8, unique_by=lambda row: row[0]), st.data())
def test_buckets_add_up_to_the_whole_however_it_is_cut(rows, data):
    items = [{**item, "pk": {"S": name}} for name, item in rows]
    cut = data.draw(st.integers(0, len(items)))
    parts = [digest.digest_by_partition(part, KEY, ("pk",)) for part in (items[cut:], items[:cut])]
    whole = digest.add_partitions(parts)
    assert whole == digest.digest_by_partition(items, KEY, ("pk",))
    assert sum(whole, Digest()) == digest.digest_canonical(items, KEY)
    assert digest.unpack_partitions(digest.pack_partitions(whole)) == whole


def test_a_difference_shows_in_the_bucket_of_its_key_and_in_no_other():
    items = [{"pk": {"S": f"item {number}"}, "n": {"N": str(number)}} for number in range(200)]
    other = [*items[:7], {**items[7], "n": {"N": "70"}}, *items[8:]]
    before, after = digest.digest_by_partition(items, KEY, ("pk",)), digest.digest_by_partition(other, KEY, ("pk",))
    differing = [place for place in range(digest.PARTITIONS) if before[place] != after[place]]
    assert differing == [digest.partition_of(items[7], ("pk",))]


def test_a_key_of_two_attributes_is_both_of_them():
    one, other = {"pk": {"S": "a"}, "sk": {"N": "1"}}, {"pk": {"S": "a"}, "sk": {"N": "2"}}
    assert digest.key_text(one, ("pk", "sk")) == "a\0001"
    assert digest.hashed_key(one, KEY, ("pk", "sk")) != digest.hashed_key(other, KEY, ("pk", "sk"))
    assert digest.hashed_key(one, KEY, ("pk",)) == digest.hashed_key(other, KEY, ("pk",))


def test_hashed_keys_and_contents_say_nothing_without_the_key():
    item = {"pk": {"S": "code#secret"}}
    assert b"secret" not in digest.hashed_key(item, KEY, ("pk",))
    assert digest.hashed_key(item, KEY, ("pk",)) != digest.hashed_key(item, OTHER_KEY, ("pk",))
    assert digest.hashed_content(item, KEY) != digest.hashed_content(item, OTHER_KEY)
    assert digest.hashed_content(item, KEY) != digest.hashed_content({**item, "a": {"S": ""}}, KEY)


def test_a_digest_is_read_again_from_its_text():
    made = digest.digest_raw([b"x", b"y"], KEY)
    assert Digest.parse(made.text) == made
    with pytest.raises(ValueError, match="invalid literal"):
        Digest.parse("many")


def test_buckets_that_are_not_whole_are_refused():
    with pytest.raises(ValueError, match="are not 1024 partitions"):
        digest.unpack_partitions(digest.pack_partitions([Digest()] * 3))
