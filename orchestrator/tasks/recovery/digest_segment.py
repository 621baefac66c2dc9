"""DigestSegment: read one segment of one side of a table and store its digest. Segments are read in parallel."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.application.cloud import Cloud
from orchestrator.aws.dynamodb.read_pace import ReadPace
from orchestrator.aws.dynamodb.table_reader import Hashing, TableDescription
from orchestrator.domain.recovery.read_pace import SEGMENT_READERS
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.table_comparison.comparison import ComparisonLevel, SegmentDigest, SegmentRef, Side
from orchestrator.domain.table_comparison.digest import EMPTY
from orchestrator.tasks.runtime import RecoveryTaskInput, RecoveryTaskOutput, make_handler, recovery_policy


@dataclass(frozen=True, kw_only=True)
class SegmentTaskInput(RecoveryTaskInput):
    """The input of an item of the Map state over segments."""

    segment: SegmentRef


def digest_segment(task_input: SegmentTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Read a segment and store its digest. Nothing is stored if the segment could not be read to its end.

    Raises:
        TableNotReadable: the table does not exist, or its restore is not complete.
        DynamoDBError: the read was denied or rejected.
        ExportFailed: the files of the export do not match its manifest.
        Throttled, Unreachable: the segment could not be read to its end.
    """
    recovery = task_input.ledger(cloud).read_record(task_input.recovery)
    segment = task_input.segment
    table = recovery.table(Role(segment.role))
    description = cloud.table_reader.describe(table.target if segment.side is Side.RESTORED else table.source)
    hashing = Hashing(cloud.segment_digests.read_comparison(recovery.id).key_bytes, description.names)
    if segment.side is Side.EXPORT:
        contents = cloud.exports.contents(table.export_arn, table.source_arn, recovery.point, hashing)
    else:
        pace = _source_pace(cloud, segment, description) if segment.side is Side.SOURCE else None
        contents = cloud.table_reader.contents(description.table, hashing, pace)
    if segment.level is ComparisonLevel.RAW:
        digest = SegmentDigest(segment, contents.raw_digest(segment.segment, segment.segments))
    else:
        partitions = contents.partition_digests(segment.segment, segment.segments)
        digest = SegmentDigest(segment, sum(partitions, EMPTY), partitions)
    cloud.table_reader.check_readable(description.table)
    cloud.segment_digests.save_digest(recovery, digest)
    return task_input.repeat_decision()


def _source_pace(cloud: Cloud, segment: SegmentRef, source: TableDescription) -> ReadPace:
    """Return the pace of this reader. The others that read the source at the same time have the rest of the share."""
    readers = min(SEGMENT_READERS, segment.segments)
    return cloud.read_pace(source.read_units, recovery_policy(cloud).read_share_percent, readers)


handler = make_handler(SegmentTaskInput, digest_segment)
