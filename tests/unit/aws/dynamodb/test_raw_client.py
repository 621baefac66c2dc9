"""The raw client, by scans over HTTP: signatures, checksums, retries and errors."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from zlib import crc32

import pytest
from botocore.credentials import Credentials

from orchestrator.aws.dynamodb.batch import RawBatchClient, scan_segment
from orchestrator.aws.dynamodb.raw_client import ATTEMPTS, TABLES, Account, DynamoDBError, RawDynamoDBClient
from orchestrator.domain.errors import Throttled, Unreachable

ROWS = [{"pk": {"S": f"item {number}"}, "n": {"N": str(number)}} for number in range(10)]


def page(rows, last=None):
    return 200, json.dumps({"Items": rows, "Count": len(rows), **({"LastEvaluatedKey": last} if last else {})})


def refusal(code, status=400):
    return status, json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}"})


@pytest.fixture
def dynamodb():
    """A DynamoDB with prepared answers, one answer a request, that keeps its requests."""

    class Server(ThreadingHTTPServer):
        answers, requests, broken = [], [], set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            params = json.loads(self.rfile.read(int(self.headers["content-length"])))
            number = len(self.server.requests)
            self.server.requests.append((params, dict(self.headers.items())))
            if number in self.server.broken:
                self.close_connection = True
                return
            status, body = self.server.answers[min(number, len(self.server.answers) - 1)]
            content = body.encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.send_header("x-amz-crc32", str(crc32(content) + (body.startswith(" "))))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            """Keep quiet."""

    server = Server(("127.0.0.1", 0), Handler)
    server.answers, server.requests, server.broken = [], [], set()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def connection(dynamodb):
    account = Account(
        f"http://127.0.0.1:{dynamodb.server_address[1]}", "us-west-1", Credentials("id", "secret", "token")
    )
    connection = RawDynamoDBClient(account, TABLES, sleep=lambda _: None)
    yield connection
    connection.close()


def read(connection, *segment):
    pages = scan_segment(RawBatchClient(connection, raw_items=True), "table", *segment)
    return [json.loads(bytes(item)) for page in pages for item in page.items]


def test_all_pages_are_read_each_from_where_the_last_one_ended(dynamodb, connection):
    dynamodb.answers = [page(ROWS[:4], last={"pk": {"S": "item 3"}}), page([], last={"pk": {"S": "x"}}), page(ROWS[4:])]
    assert read(connection, 2, 7) == ROWS
    sent = [request for request, _ in dynamodb.requests]
    assert [request.get("ExclusiveStartKey") for request in sent] == [
        None,
        {"pk": {"S": "item 3"}},
        {"pk": {"S": "x"}},
    ]
    assert {(request["Segment"], request["TotalSegments"], request["ConsistentRead"]) for request in sent} == {
        (2, 7, True)
    }


def test_every_page_is_signed(dynamodb, connection):
    dynamodb.answers = [page(ROWS)]
    read(connection)
    ((_, headers),) = dynamodb.requests
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=id/")
    assert headers["X-Amz-Security-Token"] == "token"
    assert headers["X-Amz-Target"] == "DynamoDB_20120810.Scan"


@pytest.mark.parametrize(
    "trouble",
    [
        refusal("ProvisionedThroughputExceededException"),
        refusal("InternalServerError", 500),
        (503, "busy"),
        (200, " {}"),
    ],
)
def test_what_is_worth_another_try_is_tried_again(dynamodb, connection, trouble):
    dynamodb.answers = [trouble, trouble, page(ROWS)]
    assert read(connection) == ROWS
    assert len(dynamodb.requests) == 3


def test_a_connection_that_breaks_is_opened_anew(dynamodb, connection):
    dynamodb.answers = [page(ROWS[:4], last={"pk": {"S": "item 3"}}), page([]), page(ROWS[4:])]
    dynamodb.broken = {1}
    assert read(connection) == ROWS


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (refusal("ProvisionedThroughputExceededException"), Throttled),
        ((500, "broken"), Unreachable),
        ((200, " {}"), Unreachable),
    ],
)
def test_what_does_not_get_better_is_an_error_after_all_tries(dynamodb, connection, trouble, error):
    dynamodb.answers = [trouble]
    with pytest.raises(error):
        read(connection)
    assert len(dynamodb.requests) == ATTEMPTS


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (refusal("ResourceNotFoundException"), "ResourceNotFoundException"),
        (refusal("AccessDeniedException"), "AccessDeniedException"),
        ((403, "<html>"), "403"),
        ((403, "[" * 100_000), "403"),
    ],
)
def test_what_another_try_cannot_change_is_an_error_at_once(dynamodb, connection, trouble, code):
    dynamodb.answers = [trouble]
    with pytest.raises(DynamoDBError, match=code):
        read(connection)
    assert len(dynamodb.requests) == 1


def test_who_does_not_listen_is_unreachable():
    account = Account("http://127.0.0.1:9", "us-west-1", Credentials("id", "secret"))
    with pytest.raises(Unreachable):
        read(RawDynamoDBClient(account, TABLES, sleep=lambda _: None))
