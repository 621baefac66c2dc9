"""DigestSegment: one segment of one side of one table, read to its end and digested. Segments are read side by side."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.contents import Hashing
from orchestrator.domain.comparison import Reading, SegmentDigest, Side, Tier
from orchestrator.domain.digest import NOTHING
from orchestrator.domain.recovery import Role
from orchestrator.tasks import Recovered, Recovering, framed, same_decision


@dataclass(frozen=True, kw_only=True)
class Segment(Recovering):
    """What the map over segments hands its task."""

    reading: Reading


def digest_segment(given: Segment, cloud: Cloud) -> Recovered:
    """Read a segment and keep its digest.

    Raises:
        NotReadable: the table is not there, or holds only a part of what it will hold.
        ReadRefused: it may not be read.
        ExportBroken: what is read is an export, and not what was written.
        Throttled, Unreachable: it could not be read to its end. Nothing is kept then.
    """
    recovery, reading = cloud.recoveries(given.kind).read(given.recovery), given.reading
    table = recovery.table(Role(reading.role))
    shape = cloud.table_contents.shape(table.target if reading.side is Side.RESTORED else table.source)
    hashing = Hashing(cloud.readings.comparison(recovery.id).key_bytes, shape.names)
    if reading.side is Side.EXPORT:
        content = cloud.exports.content(table.export_arn, table.source_arn, recovery.point, hashing)
    else:
        content = cloud.table_contents.content(shape.table, hashing)
    if reading.tier is Tier.RAW:
        made = SegmentDigest(reading, content.raw(reading.segment, reading.segments))
    else:
        buckets = content.buckets(reading.segment, reading.segments)
        made = SegmentDigest(reading, sum(buckets, NOTHING), buckets)
    cloud.table_contents.check(shape.table)
    cloud.readings.keep(recovery, made)
    return Recovered(recovery.id, given.epoch, same_decision(given))


handler = framed(Segment, digest_segment)
