"""Digests of tables: items per second from memory, CPU time over loopback HTTP, and memory, compared with boto3.

The peer is the simplest implementation: boto3's client scans, and the same digest hashes each item's canonical form.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
from botocore.credentials import Credentials

from benchmarks import Line, report
from orchestrator.aws.dynamodb.batch import RawBatchClient, scan_segment
from orchestrator.aws.dynamodb.raw_client import TABLES, Account, RawDynamoDBClient
from orchestrator.domain.table_comparison import digest
from orchestrator.domain.table_comparison.digest import Digest

CORES = 2
ITEMS_IN_A_PAGE = 4700  # one megabyte, like DynamoDB's pages
KEY = b"k" * 32
SECONDS = 2.0
PAGES_OVER_HTTP = 12


class RawPage(msgspec.Struct, frozen=True):
    """One page of a scan, its items as they were sent."""

    Items: list[msgspec.Raw]


_decode_page = msgspec.json.Decoder(RawPage).decode
_decode_item = msgspec.json.Decoder(dict[str, dict[str, Any]]).decode
_encode_item = msgspec.json.Encoder(order="sorted").encode


def page_of_items(number: int, items: int = ITEMS_IN_A_PAGE, *, last: bool = True) -> bytes:
    """Return one page in DynamoDB's format: refresh token families of 211 bytes each."""
    rows = [
        {
            "pk": {"S": f"family#{number:08x}{row:08x}{'x' * 8}"},
            "schema": {"N": "1"},
            "client_id": {"S": "native"},
            "scope": {"S": "profile"},
            "epoch": {"N": "0"},
            "generation": {"N": str(row)},
            "expires": {"N": "1800000000"},
            "refresh_hash": {"S": "y" * 8},
        }
        for row in range(items)
    ]
    end = {} if last else {"LastEvaluatedKey": {"pk": rows[-1]["pk"]}}
    return msgspec.json.encode({"Items": rows, "Count": items, "ScannedCount": items, **end})


def raw(page: bytes) -> Digest:
    """Return the digest of the first comparison level: the bytes as received."""
    return digest.digest_raw(_decode_page(page).Items, KEY)


def canonical(page: bytes) -> Digest:
    """Return the digest of the second comparison level: canonical items by hash partition."""
    return sum(
        digest.digest_by_partition(map(_decode_item, _decode_page(page).Items), KEY, ("pk",), _encode_item),
        digest.EMPTY,
    )


def items_a_second(digest_page: Callable[[bytes], Digest], seconds: float) -> int:
    """Return the number of items that one process digests from memory in a second of CPU time."""
    page, items, started = page_of_items(0), 0, time.process_time()
    while time.process_time() - started < seconds:
        items += digest_page(page).items
    return int(items / (time.process_time() - started))


def on_both_cores(digest_page: Callable[[bytes], Digest], seconds: float) -> float:
    """Return the sum of `items_a_second` of one process on each core."""
    with multiprocessing.get_context("spawn").Pool(CORES) as pool:
        return float(sum(pool.starmap(items_a_second, [(digest_page, seconds)] * CORES, chunksize=1)))


class Pages(BaseHTTPRequestHandler):
    """A DynamoDB stub that serves prepared pages, so that only the reader is measured."""

    protocol_version = "HTTP/1.1"
    bodies: tuple[bytes, ...] = ()

    def do_POST(self) -> None:
        """Return the page after the start key of a Scan."""
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        start = request.get("ExclusiveStartKey")
        body = self.bodies[int(start["pk"]["S"].removeprefix("family#")[:8], 16) + 1 if start else 0]
        self.send_response(200)
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-amz-crc32", str(crc32(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def serve(ready: Any, pages: int) -> None:
    """Serve the pages from a separate process, so that its CPU time does not count as the reader's."""
    Pages.bodies = tuple(page_of_items(number, last=number == pages - 1) for number in range(pages))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    ready.send(f"http://127.0.0.1:{server.server_address[1]}")
    server.serve_forever()


def digest_with_scanner(url: str) -> Digest:
    """Digest the served table as a drill does."""
    connection = RawDynamoDBClient(Account(url, "us-west-1", Credentials("id", "secret")), TABLES)
    total = Digest()
    for page in scan_segment(RawBatchClient(connection, raw_items=True), "table"):
        total += digest.digest_raw(page.items, KEY)
    connection.close()
    return total


def digest_with_boto3(url: str) -> Digest:
    """Digest the served table with boto3's client."""
    import boto3  # noqa: PLC0415 - must not count in the memory measurement
    from botocore.config import Config  # noqa: PLC0415

    config = Config(parameter_validation=False)
    client = boto3.client(
        "dynamodb",
        endpoint_url=url,
        region_name="us-west-1",
        config=config,
        aws_access_key_id="id",
        aws_secret_access_key="secret",
    )
    total = Digest()
    for page in client.get_paginator("scan").paginate(TableName="table", ConsistentRead=True):
        total += digest.digest_canonical(page["Items"], KEY)
    return total


def cpu_seconds_a_million(read: Callable[[str], Digest], url: str) -> float:
    """Return the reader's CPU seconds for a million items."""
    read(url)
    started = time.process_time()
    items = read(url).items
    return (time.process_time() - started) / items * 1e6


def resident_mb(items: int) -> float:
    """Return the peak resident size in MB of a separate process that digests this many items, page after page."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return float(pool.apply(_digest_many, (items,)))


def _digest_many(items: int) -> float:
    def pages() -> Iterator[bytes]:
        page = page_of_items(0)
        for _ in range(-(-items // ITEMS_IN_A_PAGE)):
            yield bytes(page)

    total = Digest()
    for page in pages():
        total += raw(page)
    assert total.items >= items, "all items were read"
    # Not getrusage, whose maximum includes the parent's size at the fork.
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def measure(
    seconds: float = SECONDS, pages: int = PAGES_OVER_HTTP, small_items: int = 10_000, large_items: int = 10_000_000
) -> tuple[list[Line], list[str]]:
    """Run all measurements; return the lines and notes.

    Args:
        seconds: how long a process digests from memory.
        pages: the number of pages that are read over HTTP.
        small_items: the number of items of the first memory measurement.
        large_items: the number of items of the second one, which must not need more memory.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=serve, args=(there, pages), daemon=True)
    server.start()
    url = here.recv()
    try:
        peer_cpu = cpu_seconds_a_million(digest_with_boto3, url)
        ours_cpu = cpu_seconds_a_million(digest_with_scanner, url)
    finally:
        server.terminate()
        server.join()
    peer = 1e6 / peer_cpu
    raw_rate, canonical_rate = on_both_cores(raw, seconds), on_both_cores(canonical, seconds)
    small, large = resident_mb(small_items), resident_mb(large_items)
    lines = [
        Line(
            "raw, from memory, two cores",
            raw_rate,
            "/s",
            60 * peer,
            "60 times boto3 + same digest",
            lower_is_better=False,
        ),
        Line(
            "canonical, from memory, two cores",
            canonical_rate,
            "/s",
            12 * peer,
            "12 times the same",
            lower_is_better=False,
        ),
        Line("client CPU for a million items over HTTP", ours_cpu, "s", peer_cpu / 20, "1/20 of boto3's"),
        Line(f"resident memory at {large_items:,} items", large, "MB", 64, "limit"),
        Line(f"growth from {small_items:,} items", max(0.0, large - small), "MB", 5, "limit"),
    ]
    notes = [
        f"boto3's client with the same digest: {peer:,.0f} items/s and {peer_cpu:.1f} s of CPU for a million",
        f"{ITEMS_IN_A_PAGE} items a page of {len(page_of_items(0)) / ITEMS_IN_A_PAGE:.0f} bytes; {os.cpu_count()} cores",
    ]
    return lines, notes


def main() -> int:
    """Measure and print the report."""
    return report("digest", *measure())


if __name__ == "__main__":
    sys.exit(main())
