"""Which code answers a request, and which handler reports what it raises."""

from __future__ import annotations

import base64

import pytest

from service.http.app import HttpFunction
from service.http.responses import json_response
from service.http.routes import MethodNotAllowed, RouteNotFound, Routes


def event(method="GET", path="/one", **more):
    return {"httpMethod": method, "path": path, "resource": path, "headers": {}, **more}


def answering(text):
    return lambda: json_response(200, {"answer": text})


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
    assert routes.dispatch(event(method, path)).body == f'{{"answer":"{text}"}}'


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/three"), ("GET", "/one/"), ("HEAD", "/One"), ("GET", "/"), (None, None)]
)
def test_any_other_path_is_answered_by_no_function(routes, method, path):
    with pytest.raises(RouteNotFound):
        routes.dispatch(event(method, path))


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/one", ("GET", "HEAD", "POST")),
        ("get", "/one", ("GET", "HEAD", "POST")),
        ("POST", "/two", ("GET", "HEAD", "OPTIONS")),
        ("HEAD", "/posted", ("POST",)),
        ("OPTIONS", "/posted", ("POST",)),
        ("", "/posted", ("POST",)),
    ],
)
def test_another_method_of_a_known_path_is_refused_with_those_that_it_has(routes, method, path, allowed):
    routes.post("/posted")(answering("posted"))
    with pytest.raises(MethodNotAllowed) as refusal:
        routes.dispatch(event(method, path))
    assert refusal.value.methods == routes.methods(path) == allowed


@pytest.mark.parametrize("path", ["/one", "/two"])
def test_head_is_answered_as_get(routes, path):
    assert routes.dispatch(event("HEAD", path)) == routes.dispatch(event("GET", path))


def test_scripts_may_use_the_methods_that_a_path_has(routes):
    routes.allow_scripts("/one")
    preflight = routes.dispatch(event("OPTIONS", "/one"))
    assert preflight.headers["Access-Control-Allow-Methods"] == "GET, HEAD, POST"


def test_the_table_lists_what_is_answered(routes):
    assert routes.table == (("GET", "/one"), ("POST", "/one"), ("GET", "/two"), ("OPTIONS", "/two"))


def test_the_nearest_class_of_an_exception_decides_its_handler(routes):
    def raises(error):
        def answer():
            raise error

        return answer

    routes.get("/lookup")(raises(KeyError("x")))
    routes.get("/value")(raises(ValueError("x")))
    routes.exception_handler(Exception)(lambda error: json_response(500, {"told": "anything"}))
    routes.exception_handler(LookupError)(lambda error: json_response(400, {"told": "lookup"}))
    assert routes.dispatch(event(path="/lookup")).status_code == 400
    assert routes.dispatch(event(path="/value")).status_code == 500


def test_an_exception_without_a_handler_is_raised(routes):
    routes.get("/broken")(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        routes.dispatch(event(path="/broken"))


@pytest.mark.parametrize("broken", [{}, {"httpMethod": ["GET"], "path": {}}, event(path="/told", headers=None)])
def test_an_event_that_makes_no_sense_is_answered_too(service, broken):
    assert HttpFunction(service.settings)(broken, None)["statusCode"] in {404, 500}


@pytest.mark.parametrize("octets", [b"\xff\xfe", "ä".encode()])
def test_a_body_in_base64_is_read_as_utf_8_and_refused_where_it_is_none(service, octets):
    edge = HttpFunction(service.settings)
    edge.routes.post("/told")(lambda: json_response(200, {"body": edge.body()}))
    answer = edge(event("POST", "/told", body=base64.b64encode(octets).decode(), isBase64Encoded=True), None)
    assert answer["statusCode"] == (200 if octets == "ä".encode() else 400)
