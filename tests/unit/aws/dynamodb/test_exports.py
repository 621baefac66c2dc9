"""What an export says is read whole and as it was written, or not at all."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace

import pytest

from orchestrator.aws.dynamodb.exports import Exports
from orchestrator.aws.dynamodb.table_reader import Hashing
from orchestrator.domain.errors import ExportFailed
from orchestrator.domain.table_comparison.digest import EMPTY
from tests.fakes.exports import FakeExports, checksum, files_of, lines, table_arn
from tests.fakes.s3 import FakeS3

POINT = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
TABLE = table_arn("ib-oauth-tokens-test")
ITEMS = {
    f"item {number}": {"pk": {"S": f"item {number}"}, "n": {"N": str(number)}, "b": {"B": "AAE="}}
    for number in range(100)
}
HASHING = Hashing(b"k" * 32, ("pk",))


@pytest.fixture
def here():
    s3 = FakeS3()
    clock = SimpleNamespace(now=POINT + timedelta(minutes=6))
    dynamodb = FakeExports(lambda: clock.now, lambda _table, _at: ITEMS, s3.objects)
    exports = Exports({"dynamodb": dynamodb, "s3": s3}.__getitem__, "ib-oauth-exports-test-123456789012")
    arn = exports.start_export(TABLE, POINT, "dr-1", "tokens")
    clock.now += timedelta(minutes=5)
    exports.describe_export(arn)
    return SimpleNamespace(exports=exports, arn=arn, s3=s3, dynamodb=dynamodb, clock=clock)


def content(here):
    return here.exports.contents(here.arn, TABLE, POINT, HASHING)


def data(here, number):
    return next(key for key in here.s3.objects if key.endswith(f"part{number}.json.gz"))


def changed(here, name, change):
    """Change a JSON object of a manifest; of a list of files the first line."""
    key = next(key for key in here.s3.objects if key.endswith(name))
    first, newline, rest = here.s3.objects[key].partition(b"\n")
    here.s3.objects[key] = json.dumps({**json.loads(first), **change}).encode() + newline + rest


def test_an_export_is_requested_once_however_often(here):
    assert here.exports.start_export(TABLE, POINT, "dr-1", "tokens") == here.arn
    assert len(here.dynamodb.requests) == 1
    (params,) = here.dynamodb.requests.values()
    assert (params["ClientToken"], params["ExportTime"], params["ExportFormat"]) == (
        "dr-1-tokens",
        POINT,
        "DYNAMODB_JSON",
    )


def test_every_item_is_read_and_hashed_as_a_table_s_are(here):
    entries = content(here).load().entries()
    assert entries == dict(HASHING.entry(json.dumps(item).encode()) for item in ITEMS.values())


@pytest.mark.parametrize("segments", [1, 2, 7])
def test_segments_are_parts_that_make_the_whole(here, segments):
    read = content(here)
    total = sum((sum(read.partition_digests(one, segments), EMPTY) for one in range(segments)), EMPTY)
    assert total == sum(read.partition_digests(0, 1), EMPTY)
    assert total.items == 100


def test_files_of_several_gzip_members_and_of_no_byte_at_all_are_read(here):
    first = data(here, 0)
    whole = gzip.decompress(here.s3.objects[first])
    here.s3.objects[first] = gzip.compress(whole[:100]) + gzip.compress(whole[100:])
    changed(here, "manifest-files.json", {"md5Checksum": checksum(here.s3.objects[first])})
    empty = data(here, 3)
    manifest = next(key for key in here.s3.objects if key.endswith("manifest-files.json"))
    said = here.s3.objects[manifest].replace(checksum(here.s3.objects[empty]).encode(), checksum(b"").encode())
    here.s3.objects[empty], here.s3.objects[manifest] = b"", said
    assert len(content(here).load().entries()) == 100


def test_manifests_that_name_files_below_the_prefix_are_followed(here):
    for key in [key for key in here.s3.objects if "manifest" in key]:
        here.s3.objects[key] = here.s3.objects[key].replace(b"dr-1/tokens/AWSDynamoDB", b"AWSDynamoDB")
    assert len(content(here).load().entries()) == 100


def flipped(here):
    key = data(here, 1)
    whole = here.s3.objects[key]
    here.s3.objects[key] = lines([{"pk": {"S": "another"}}] * gzip.decompress(whole).count(b"\n"))


def cut_off(here):
    here.s3.objects[data(here, 1)] = here.s3.objects[data(here, 1)][:-20]


def lost(here):
    del here.s3.objects[data(here, 1)]


def not_gzip(here):
    here.s3.objects[data(here, 1)] = b"nothing of the kind"


def no_items(here):
    here.s3.objects[data(here, 1)] = gzip.compress(b'{"Thing": 1}\n')


def one_too_few(here):
    key = data(here, 0)
    here.s3.objects[key] = lines(
        [json.loads(text)["Item"] for text in gzip.decompress(here.s3.objects[key]).split(b"\n")[:-2]]
    )
    changed(here, "manifest-files.json", {"md5Checksum": checksum(here.s3.objects[key])})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flipped, "its MD5 is not"),
        (cut_off, "the data is truncated"),
        (lost, "is not in the bucket"),
        (not_gzip, "is not a file of items"),
        (no_items, "is not a file of items"),
        (one_too_few, "has 33 items and should have 34"),
    ],
)
def test_a_file_that_is_not_as_it_was_written_is_never_a_part_of_what_is_compared(here, damage, message):
    damage(here)
    for read in (lambda: content(here).load(), lambda: content(here).partition_digests(0, 1)):
        with pytest.raises(ExportFailed, match=message):
            read()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            partial(changed, name="manifest-files.json", change={"itemCount": 33}),
            "items in all files is 99 and not 100",
        ),
        (
            partial(changed, name="manifest-summary.json", change={"itemCount": 7}),
            "items in the summary is 7 and not 100",
        ),
        (
            partial(changed, name="manifest-summary.json", change={"exportTime": "2026-11-23T03:01:00.000Z"}),
            "its time in the summary",
        ),
        (
            partial(changed, name="manifest-summary.json", change={"tableArn": "arn:other"}),
            "its table in the summary is arn:other",
        ),
        (partial(changed, name="manifest-summary.json", change={"outputFormat": "ION"}), "its format is ION"),
        (partial(changed, name="manifest-summary.json", change={"itemCount": "many"}), "a manifest cannot be read"),
    ],
)
def test_manifests_that_do_not_fit_together_are_refused_before_anything_is_read(here, damage, message):
    damage(here)
    with pytest.raises(ExportFailed, match=message):
        content(here)


@pytest.mark.parametrize(("table", "point"), [("arn:other", POINT), (TABLE, POINT + timedelta(minutes=1))])
def test_an_export_of_another_table_or_time_is_refused(here, table, point):
    with pytest.raises(ExportFailed):
        here.exports.contents(here.arn, table, point, HASHING)


def test_all_of_a_recovery_s_files_are_removed_and_no_other_s(here):
    here.s3.objects.update(files_of("arn/export/x", TABLE, POINT, [], prefix="dr-10/tokens"))
    count = sum(key.startswith("dr-1/") for key in here.s3.objects)
    assert here.exports.remove_files("dr-1") == count > 0
    assert {key.partition("/")[0] for key in here.s3.objects} == {"dr-10"}
    assert here.exports.remove_files("dr-1") == 0
