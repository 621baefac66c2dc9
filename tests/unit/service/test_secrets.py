"""No secret stands in a log, in an item or in a header that is not made for it: after every request, every refusal, every failure."""

from __future__ import annotations

import itertools
import json
import logging
import secrets
import subprocess
import sys
import threading

import msgspec
import pytest

from orchestrator.domain.analysis import observations
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import oauth_flows
from orchestrator.probes.context import before_traffic
from orchestrator.probes.ports import Pace, ProbeClients
from service import log
from service.http.app import HttpFunction
from service.keys.kms import Vault
from service.login import flow
from service.oauth.credentials import Credential
from service.storage.conditional_writes import StoreUnavailable
from tests import samples
from tests.unit.service.conftest import ROOT
from tests.unit.service.faults import faults_of
from tests.unit.service.recorder import CREDENTIAL, CREDENTIALS, NAMING, PERSONAL, Leak, Recorder
from tests.unit.service.story import STEPS, Stage

SECRETS = CREDENTIALS | {"cookie", "authorization"}


@pytest.fixture
def recorder(monkeypatch):
    """A recorder that also hears what the platform gives."""
    recorder = Recorder()
    open_login, profile = flow.identity_provider.open_login, flow.identity_provider.profile

    def opened(platform):
        login = open_login(platform)
        recorder.take_down(CREDENTIAL, "platform's session", login.sid)
        recorder.take_down(CREDENTIAL, "platform's login", login.content)
        return login

    def recorded_profile(platform, content):
        person = profile(platform, content)
        if person is not None:
            recorder.take_down(NAMING, "subject", person.subject)
            for name in ("given_name", "family_name", "email", "api_url"):
                recorder.take_down(PERSONAL, name, getattr(person, name))
        return person

    monkeypatch.setattr(flow.identity_provider, "open_login", opened)
    monkeypatch.setattr(flow.identity_provider, "profile", recorded_profile)
    return recorder


@pytest.fixture
def stage(aws, variables):
    return Stage(aws, variables)


class Heard:
    """Runs steps and looks afterwards at everything that there is to look at."""

    def __init__(self, stage, recorder, capfd, caplog):
        self.stage, self.recorder, self.capfd, self.caplog = stage, recorder, capfd, caplog
        caplog.set_level(logging.INFO)

    def at(self, step):
        story, wire = self.stage.story()
        self.recorder.listen(story.service)
        story.until(step)
        wire.clear()
        return story, wire

    def search(self, story):
        out, err = self.capfd.readouterr()
        assert '"message":"request"' in out
        self.recorder.search_log(out + err + self.caplog.text)
        self.recorder.search_headers()
        tables = [value for name, value in story.service.variables.items() if name.endswith("_TABLE")]
        for table in tables:
            self.recorder.search_items(table, self.stage.aws.items(table))


@pytest.fixture
def heard(stage, recorder, capfd, caplog):
    return Heard(stage, recorder, capfd, caplog)


def run_step(heard, step):
    """Run a step with whatever it needs, in a way that goes well."""
    story, _ = heard.at(step)
    story.keep(step, story.tell(step))
    heard.search(story)


@pytest.mark.parametrize("step", STEPS)
def test_nothing_leaks_where_all_goes_well(heard, step):
    run_step(heard, step)
    assert {kind for kind, _ in heard.recorder.secrets.values()} >= {CREDENTIAL}


@pytest.mark.parametrize("step", STEPS)
def test_nothing_leaks_where_a_parameter_is_wrong(heard, step):
    """Each parameter and header in turn: another secret, nearly the right one, too long, missing."""
    story, _ = heard.at(step)
    sent = story.service.call
    request = {}
    story.service.call = lambda *to, **params: request.update(to=to, params=params) or sent(*to, **params)
    story.tell(step)
    for part in ("form", "query", "headers"):
        for name, value in dict(request["params"].get(part) or {}).items():
            wrongs = (secrets.token_urlsafe(32), f"{value}x", value[:-1] + secrets.token_urlsafe(2000), None)
            for wrong in wrongs:
                changed = {key: kept for key, kept in request["params"][part].items() if key != name}
                if wrong is not None:
                    changed[name] = wrong
                    heard.recorder.take_down(CREDENTIAL if name in SECRETS else NAMING, f"wrong {name}", wrong)
                answer = sent(*request["to"], **{**request["params"], part: changed})
                assert answer.status < 500, (step, part, name)
    heard.recorder.answers = [one for one in heard.recorder.answers if one.status >= 400]
    heard.search(story)


@pytest.mark.parametrize("step", STEPS)
def test_nothing_leaks_where_a_call_fails(heard, step):
    story, wire = heard.at(step)
    story.tell(step)
    calls = list(wire.calls)
    for index, call in enumerate(calls):
        failing, wire = heard.at(step)
        wire.fail(index, faults_of(*call)[0])
        assert failing.tell(step).status == 503
        heard.search(failing)


def test_nothing_leaks_where_the_service_makes_a_mistake(heard, monkeypatch):
    """A mistake's message may quote a request; the log has its class and where it was."""
    story, _ = heard.at("redeem")

    def mistaken(self, item):
        raise ValueError(f"cannot make sense of {story.code} for {heard.recorder.secrets}")

    monkeypatch.setattr("service.storage.grants.Store.read_code_and_epoch", mistaken)
    assert story.tell("redeem").status == 500
    heard.search(story)


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_botocore_which_logs_whole_requests_at_debug_says_nothing_whatever_the_level(variables, level):
    code = "import logging\n" + "\n".join(
        f"import service.handlers.{name}" for name in ("authorize", "token", "public")
    )
    code += "\nprint([logging.getLogger(n).isEnabledFor(logging.DEBUG) for n in ('botocore', 'urllib3', 'service')])"
    environment = {
        **variables,
        "PYTHONPATH": str(ROOT),
        "AWS_DEFAULT_REGION": "us-west-1",
        "LOG_LEVEL": level,
        "POWERTOOLS_LOG_LEVEL": level,
    }
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    *started, levels = ran.stdout.splitlines()
    assert [json.loads(line)["message"] for line in started] == ["function started"]
    assert levels == "[False, False, False]"


class Functions:
    """The service as the orchestrator's probes see it: functions that are invoked, a key that makes MACs."""

    def __init__(self, service):
        self.service = service
        self.one_at_a_time = threading.Lock()  # as a function's process answers

    def invoke(self, function_name, qualifier, request):
        name = function_name.split("-")[2]
        sent = {"query": request.query, "form": request.form, "headers": dict(request.headers)}
        with self.one_at_a_time:
            answer = self.service.call(name, request.method, request.path, **sent)
        headers = {header.lower(): tuple(values) for header, values in answer.headers.items()}
        return observations.HttpResponse(answer.status, headers, answer.body, 1.0, qualifier)

    def generate_mac(self, key_id, message):
        key = self.service.variables["SYNTHETIC_KEY_ID"]
        return self.service.aws.kms.generate_mac(KeyId=key, Message=message, MacAlgorithm="HMAC_SHA_256")["Mac"]


@pytest.mark.parametrize("broken", [False, True])
def test_nothing_of_a_flow_but_its_steps_reaches_the_ledger(service, recorder, monkeypatch, broken):
    """The orchestrator handles codes and tokens of the synthetic identity, and keeps as evidence what became of them."""

    def away(*_):
        raise StoreUnavailable("planted")

    functions = Functions(recorder.listen(service))
    if broken:
        monkeypatch.setattr(service.store, "rotate", away)
    scene = before_traffic(samples.deployment(environment="local"), samples.NOW)
    at_once = Pace(now=itertools.count(0, 5).__next__, sleep=lambda _: None)  # few repetitions
    evidence = oauth_flows.run(
        scene, ProbeClients(None, None, None, functions, None, functions, None, at_once)
    ).evidence
    assert len(recorder.secrets) > 20
    assert (evidence.verdict.outcome is Outcome.PASS) is not broken
    recorder.search_log(msgspec.json.encode(evidence).decode())


# What is planted here is found: otherwise the tests above show nothing.


def test_a_form_that_is_logged_is_found(heard, monkeypatch):
    form = HttpFunction.form

    def logged(self):
        parameters = form(self)
        log.write({"form": str(vars(parameters))})
        return parameters

    monkeypatch.setattr(HttpFunction, "form", logged)
    with pytest.raises(Leak, match="the log holds a"):
        run_step(heard, "redeem")


def test_a_code_that_is_stored_in_clear_is_found(heard, monkeypatch):
    monkeypatch.setattr(Credential, "digest", property(lambda self: self.text))
    with pytest.raises(Leak, match=r"state-.* item holds a (code|transaction)"):
        run_step(heard, "redeem")


def test_a_session_that_is_stored_unencrypted_is_found(heard, monkeypatch):
    monkeypatch.setattr(Vault, "encrypt", lambda self, contents, purpose, owner: json.dumps(contents).encode())
    monkeypatch.setattr(Vault, "decrypt", lambda self, locked, purpose, owner: json.loads(locked))
    with pytest.raises(Leak, match=r"item holds a (platform's|family_name|email)"):
        run_step(heard, "redeem")


def test_a_person_who_is_named_in_the_log_is_found(heard, monkeypatch):
    complete = flow.LoginFlow._complete

    def talkative(self, bound, subject, *rest):
        log.write({"logged_in": subject})
        return complete(self, bound, subject, *rest)

    monkeypatch.setattr(flow.LoginFlow, "_complete", talkative)
    with pytest.raises(Leak, match="the log holds a subject"):
        run_step(heard, "poll")


def test_a_token_in_a_header_is_found(heard):
    story, _ = heard.at("refresh")
    answer = story.tell("refresh")
    answer.headers["X-Debug"] = [answer.json["refresh_token"]]
    with pytest.raises(Leak, match="the header X-Debug holds a refresh_token"):
        heard.search(story)
