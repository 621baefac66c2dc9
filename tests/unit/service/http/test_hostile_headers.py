"""No header makes the service fail: whatever a visitor sends, at every endpoint, and nothing of it comes back in a header."""

from __future__ import annotations

import pytest

from tests.unit.service.http.test_cookies import FOREIGN, NAME, NOT_OURS
from tests.unit.service.story import STEPS, Stage, steps_of

HOSTILE = [
    "", " ", ";", "=", ",", '"', "\\", "ü", "\ud800", "\x00", "\r\nX-Evil: 1", "x" * 8000, "{}", "[" * 3000, "\U0001f4a3", "%ZZ", "\u202e",
    '"\\015\\012X-Evil: 1"', "Basic", "Basic ü", "Basic =", "Basic \ud800", "Basic Og==", "Basic /w==", "Basic YTpi\x00", "Basic 7aCAOg==",
    "Basic JUVEJUEwJTgwOmE=", "Bearer", "Bearer ü", "Bearer \ud800", "Bearer a.b.c", "Bearer e30.e30.e30", "Bearer \x00", "Digest x",
    "application/json; charset=\ud800", "application/x-www-form-urlencoded; charset=utf-16", "multipart/form-data", "chunked", "-1", "NaN",
]  # fmt: skip
READ = ("Cookie", "Authorization", "Content-Type")
"""Headers that the service reads. The others go together, so that one that is read one day is found."""
OTHERS = (
    "Content-Length", "Content-Encoding", "Transfer-Encoding", "Accept", "Accept-Encoding",
    "Accept-Language", "Host", "Origin", "Referer", "User-Agent", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
    "X-Amzn-Trace-Id", "Expect", "Range", "If-None-Match", "If-Modified-Since", "DPoP", "Mcp-Protocol-Version", "Sec-Fetch-Site",
    "Access-Control-Request-Method", "Access-Control-Request-Headers",
)  # fmt: skip
COOKIES = [*FOREIGN, *(f"{NAME}={value}" for value in NOT_OURS.values())]


@pytest.fixture(scope="module")
def story(aws, module_variables):
    story, _ = Stage(aws, module_variables).story()
    return story


@pytest.fixture(scope="module")
def module_variables(aws, keys, platform_url):
    from tests.unit.service.conftest import new_variables

    return new_variables(aws, keys, platform_url)


def sent(story, step, headers):
    """Take a step with these headers in addition to its own, or in their place."""
    service, call = story.service, story.service.call

    def with_headers(*arguments, **request):
        kept = {name: value for name, value in (request.get("headers") or {}).items() if name.lower() not in lower}
        return call(*arguments, **{**request, "headers": {**kept, **headers}})

    lower = {name.lower() for name in headers}
    service.call = with_headers
    try:
        return story.tell(step)
    finally:
        del service.call


def hold_harmless(answer, case):
    assert answer.status < 500, (case, answer.status, answer.body)
    for name, values in answer.headers.items():
        for value in values:
            assert value.isascii(), (case, name)
            assert value.isprintable(), (case, name)
            assert "X-Evil" not in value, (case, name)


@pytest.mark.parametrize("headers", [*((name,) for name in READ), OTHERS], ids=" ".join)
def test_no_header_makes_any_endpoint_fail(story, headers):
    story.transaction, story.code, story.tokens = (
        "ibl_" + "t" * 43,
        "ibc_" + "c" * 43,
        {"refresh_token": "ibr_x", "access_token": "a.b.c"},
    )
    story.mac = "A" * 43
    routes = {STEPS[step].route if step in STEPS else step: step for step in steps_of(story.service)}
    for step in routes.values():
        for value in HOSTILE if headers != OTHERS else HOSTILE[:16]:
            hold_harmless(sent(story, step, dict.fromkeys(headers, value)), (step, headers, value))


@pytest.mark.parametrize("cookie", COOKIES)
def test_no_cookie_makes_a_login_fail_or_comes_back(story, cookie):
    for step in ("authorize", "choose", "allow", "deny", "poll", "log in as synthetic"):
        answer = sent(story, step, {"Cookie": cookie})
        hold_harmless(answer, (step, cookie))
        for value in answer.headers.get("Set-Cookie", ()):
            assert value.startswith(f"{NAME}=")
            assert len(value.partition(";")[0]) == len(NAME) + 1 + 43


@pytest.mark.parametrize("cookie", FOREIGN)
def test_a_person_with_any_other_cookies_logs_in(story, cookie):
    service = story.service
    service.cookie = ""
    story.transaction = service.transaction()
    service.cookie = f"{cookie}; {service.cookie}; {cookie}"
    assert story.login(platform="demo").status == 200
    assert service.poll(story.transaction).status == 404, "it has not gone to a platform; its browser was known"
    assert "is not yours" in service.poll(story.transaction).body
    assert story.login(decision="deny").status == 200


@pytest.mark.parametrize("step", [step for step in STEPS if STEPS[step].route == "POST /login"])
def test_a_browser_may_split_its_cookies_over_several_headers(stage_of, step):
    story, event = stage_of(step)
    crumbs = [f"a={'b' * 10}", story.service.cookie]
    answer = story.service.functions["authorize"](
        {**event, "multiValueHeaders": {"cookie": crumbs, **event["multiValueHeaders"]}}, None
    )
    assert answer["statusCode"] < 400, answer


@pytest.fixture
def stage_of(aws, variables):
    """A story at a step, and the step's event without a cookie."""

    def at(step):
        story, _ = Stage(aws, variables).at(step)
        events, function = [], story.service.functions["authorize"]

        def caught(event, context):
            events.append(event)
            return function({**event, "headers": {}, "multiValueHeaders": {}}, context)

        story.service.functions["authorize"] = caught
        story.tell(step)
        story.service.functions["authorize"] = function
        without = {name: values for name, values in events[0]["multiValueHeaders"].items() if name.lower() != "cookie"}
        return story, {
            **events[0],
            "headers": {name: values[-1] for name, values in without.items()},
            "multiValueHeaders": without,
        }

    return at
