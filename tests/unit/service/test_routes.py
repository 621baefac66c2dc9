"""Which code answers a request, and who tells what it raises."""

from __future__ import annotations

import base64

import pytest

from service.answers import json_answer
from service.edge import Edge
from service.routes import NothingHere, Routes


def event(method="GET", path="/one", **more):
    return {"httpMethod": method, "path": path, "resource": path, "headers": {}, **more}


def answering(text):
    return lambda: json_answer(200, {"answer": text})


@pytest.fixture
def routes():
    routes = Routes()
    routes.get("/one")(answering("get"))
    routes.post("/one")(answering("post"))
    routes.route("/two", method=["GET", "OPTIONS"])(answering("two"))
    return routes


@pytest.mark.parametrize(
    ("method", "path", "text"),
    [("GET", "/one", "get"), ("POST", "/one", "post"), ("GET", "/two", "two"), ("OPTIONS", "/two", "two")],
)
def test_method_and_path_together_say_who_answers(routes, method, path, text):
    assert routes.answer(event(method, path)).body == f'{{"answer":"{text}"}}'


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/one"), ("GET", "/one/"), ("get", "/one"), ("GET", "/"), (None, None)]
)
def test_any_other_method_or_path_is_answered_by_nobody(routes, method, path):
    with pytest.raises(NothingHere):
        routes.answer(event(method, path))


def test_the_table_lists_what_is_answered(routes):
    assert routes.table == (("GET", "/one"), ("POST", "/one"), ("GET", "/two"), ("OPTIONS", "/two"))


def test_the_nearest_class_of_an_exception_says_who_tells_it(routes):
    def raises(error):
        def answer():
            raise error

        return answer

    routes.get("/lookup")(raises(KeyError("x")))
    routes.get("/value")(raises(ValueError("x")))
    routes.exception_handler(Exception)(lambda error: json_answer(500, {"told": "anything"}))
    routes.exception_handler(LookupError)(lambda error: json_answer(400, {"told": "lookup"}))
    assert routes.answer(event(path="/lookup")).status_code == 400
    assert routes.answer(event(path="/value")).status_code == 500


def test_an_exception_that_nobody_tells_is_raised(routes):
    routes.get("/broken")(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        routes.answer(event(path="/broken"))


@pytest.mark.parametrize("broken", [{}, {"httpMethod": ["GET"], "path": {}}, event(path="/told", headers=None)])
def test_an_event_that_makes_no_sense_is_answered_too(service, broken):
    assert Edge(service.settings)(broken, None)["statusCode"] in {404, 500}


@pytest.mark.parametrize("octets", [b"\xff\xfe", "ä".encode()])
def test_a_body_in_base64_is_read_as_utf_8_and_refused_where_it_is_none(service, octets):
    edge = Edge(service.settings)
    edge.app.post("/told")(lambda: json_answer(200, {"body": edge.body()}))
    answer = edge(event("POST", "/told", body=base64.b64encode(octets).decode(), isBase64Encoded=True), None)
    assert answer["statusCode"] == (200 if octets == "ä".encode() else 400)
