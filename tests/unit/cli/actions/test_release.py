"""Promoting a release and collecting its evidence from the command line."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.cli.actions import release
from orchestrator.cli.context import Context
from orchestrator.cli.main import app
from orchestrator.domain.deployment.freeze import Freeze
from orchestrator.domain.deployment.policy import CHECKLIST
from orchestrator.domain.deployment.record import DeploymentOutcome, DeploymentPhase
from orchestrator.domain.deployment.release import PromotionAttestation
from orchestrator.domain.errors import Refused, Unreachable
from orchestrator.domain.maintenance.policy import MaintenancePolicy
from orchestrator.domain.maintenance.schedule import Schedule, plan
from orchestrator.packaging import releases
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import ACCOUNT, cloud_over
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.messages import FakeEvents
from tests.fakes.step_functions import FakeStepFunctions
from tests.samples import NOW, deployment
from tests.unit.domain.maintenance.worlds import HOUR, MINUTE, request

RUN = CliRunner()
CALLER = f"arn:aws:sts::{ACCOUNT}:assumed-role/Pipeline/42"
WATCHED = pytest.mark.parametrize("watch", [False, True], ids=["announced", "watched"])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("releases")
    patch.setattr(releases, "releases_folder", lambda: folder)
    yield releases.build(["local"])
    patch.undo()


@pytest.fixture
def manifest(built):
    return releases.read(built)


class _Functions(LambdaControlPlane):
    """Functions whose `$LATEST` says which build it is."""

    build = ""

    def get_function_configuration(self, **params):
        found = super().get_function_configuration(**params)
        return {**found, "Environment": {"Variables": {"RELEASE": json.dumps({"build": self.build})}}}


@pytest.fixture
def plane(manifest):
    plane = _Functions()
    for name in environments.FUNCTIONS:
        plane.add(f"ib-oauth-{name}-prod")
    plane.build = manifest.build
    return plane


@pytest.fixture
def events():
    return FakeEvents()


@pytest.fixture
def context(plane, events):
    clock = SimulatedClock()
    states = FakeStepFunctions(clock.now, lambda _arn: None, lambda _token, _output: False)
    sts = SimpleNamespace(get_caller_identity=lambda: {"Arn": CALLER})
    clients = {"dynamodb": FakeDynamoDB(), "lambda": plane, "events": events, "stepfunctions": states, "sts": sts}
    context = Context(environments.load("prod"), clients.__getitem__)
    vars(context)["account"] = ACCOUNT

    def answer(seconds):
        """The announced deployment is planned while the command waits for its answer."""
        clock.advance(seconds)
        if events.put:
            context.cloud.ledger.create_record(deployment(id="d-build-7", phase=DeploymentPhase.READY))

    vars(context)["cloud"] = cloud_over(clients, clock.now, sleep=answer)
    return context


@pytest.fixture
def evidence(tmp_path):
    file = tmp_path / "checklist.json"
    file.write_text(json.dumps(dict.fromkeys(CHECKLIST, "https://ci.example/7")))
    return file


@pytest.fixture
def proved(built, manifest, plane):
    code = {
        name: plane.get_function_configuration(FunctionName=f"ib-oauth-{name}-prod", Qualifier="$LATEST")
        for name in environments.FUNCTIONS
    }
    proof = PromotionAttestation(
        "staging", manifest.digest, "d-1", {name: found["CodeSha256"] for name, found in code.items()}
    )
    return releases.save_attestation(built, proof)


def promote(context, built, evidence, **changes):
    options = {"after": "staging", "checklist": evidence, "strategy": None, "changelog": None}
    options |= {"by": "pipeline", "key": "build-7"}
    return release.promote(context, built, **{"watch": False, **options, **changes}, json=True)


def test_a_proved_release_is_announced_with_its_evidence_and_its_key(context, built, evidence, proved, events, capsys):
    assert proved.is_file()
    assert promote(context, built, evidence) == 0
    ((kind, detail),) = events.put
    assert kind == "ReleaseReady"
    assert detail == {
        "requested_by": "pipeline",
        "requested_as": CALLER,
        "checklist": dict.fromkeys(CHECKLIST, "https://ci.example/7"),
        "idempotency_key": "build-7",
    }
    assert json.loads(capsys.readouterr().out)["deployment"] == "d-build-7"


@WATCHED
@pytest.mark.parametrize(
    ("outcome", "code"),
    [(DeploymentOutcome.SUCCEEDED, 0), (DeploymentOutcome.ROLLED_BACK, 1), (DeploymentOutcome.REFUSED, 2)],
)
def test_the_exit_code_says_how_the_announced_deployment_ended(context, built, evidence, proved, outcome, code, watch):
    assert proved.is_file()
    ended = deployment(id="d-build-7", phase=DeploymentPhase.ENDED, outcome=outcome, ended_at=NOW, reason="so")
    context.cloud.ledger.create_record(ended)
    assert promote(context, built, evidence, watch=watch) == code


def test_a_key_of_another_request_is_not_announced(context, built, evidence, proved, events):
    assert proved.is_file()
    machine = context.state_machine_arn("deployment")
    context.cloud.executions.start_execution(machine, "d-build-7", {"requested_by": "ann", "force": True})
    with pytest.raises(Refused, match="another checklist, force: give another key"):
        promote(context, built, evidence)
    assert events.put == []


def test_nothing_is_announced_that_was_not_proved_before(context, built, evidence, events):
    with pytest.raises(Refused, match="promote it there first"):
        promote(context, built, evidence, after="dev")
    assert events.put == []


def test_nothing_is_announced_that_latest_does_not_hold(context, built, evidence, plane, events):
    plane.build = "something-else"
    with pytest.raises(Refused, match=r"something-else.*deploy its assembly first"):
        promote(context, built, evidence)
    assert events.put == []


def test_nothing_is_announced_without_the_environment_s_checklist_or_while_it_is_frozen(
    context, built, evidence, proved, events
):
    assert proved.is_file()
    with pytest.raises(Refused, match="also requires tests"):
        promote(context, built, None)
    context.cloud.freezes.freeze("ann", "holidays", Freeze("ann", "holidays", context.cloud.now()).at)
    with pytest.raises(Refused, match="frozen by ann"):
        promote(context, built, evidence)
    assert events.put == []


def test_nothing_is_announced_under_maintenance_and_a_release_takes_its_changelog_with_it(
    context, built, evidence, proved, events
):
    assert proved.is_file()
    now = context.cloud.now()
    window_request = request(starts_at=now, ends_at=now + HOUR, urgent="now", allowed=("build-8",))
    assert context.cloud.maintenance.commit(plan(Schedule(), window_request, MaintenancePolicy(), now - MINUTE))
    with pytest.raises(Refused, match="it allows d-build-8 alone"):
        promote(context, built, evidence)
    with pytest.raises(Refused, match="changelog"):
        promote(context, built, evidence, key="build-8", changelog="x" * 1501)
    assert events.put == []
    with pytest.raises(Unreachable, match="d-build-8"):  # it is announced, and no plan answers in this test
        promote(context, built, evidence, key="build-8", changelog="Tokens last longer.")
    assert events.put[0][1]["changelog"] == "Tokens last longer."


def junit(tmp_path, text):
    file = tmp_path / "report.xml"
    file.write_text(text)
    return str(file)


def collected(tmp_path, *options):
    answer = RUN.invoke(app, ["checklist", "--env", "prod", "--out", str(tmp_path / "out.json"), "--json", *options])
    return answer.exit_code, json.loads(answer.stdout)


def everything(tmp_path, built):
    (built / "assemblies" / "prod").mkdir(parents=True, exist_ok=True)
    (built / "assemblies" / "prod" / "ib-oauth-stack-prod.template.json").write_text("{}")
    benchmark = tmp_path / "rollback.json"
    benchmark.write_text(json.dumps({"benchmark": "rollback", "lines": [{"name": "p99", "reached": True}]}))
    return [
        *(
            "--junit",
            junit(tmp_path, '<testsuites><testsuite tests="9" failures="0" errors="0" skipped="1"/></testsuites>'),
        ),
        *("--benchmark", str(benchmark), "--before", str(built), "--run", "https://ci.example/7"),
        *("--security-review", "https://review.example/1", "--documentation", "https://docs.example/1"),
    ]


def test_evidence_is_collected_into_the_file_that_a_deployment_takes(tmp_path, built, manifest):
    code, printed = collected(tmp_path, *everything(tmp_path, built))
    assert code == 0
    kept = json.loads((tmp_path / "out.json").read_text())
    assert kept == printed["checklist"] == release.read_checklist(tmp_path / "out.json")
    assert list(kept) == list(CHECKLIST)
    assert kept["tests"].startswith("https://ci.example/7 8 tests passed (report.xml sha256:")
    assert manifest.digest in kept["rollback_plan"]


@pytest.mark.parametrize(
    ("option", "text", "field"),
    [
        ("--junit", '<testsuite tests="9" failures="2" errors="0"/>', "tests.bad"),
        ("--junit", "<testsuite", "--junit"),
        ("--junit", '<!DOCTYPE x><testsuite tests="1"/>', "--junit"),
        ("--benchmark", '{"benchmark": "oauth", "lines": [{"name": "p99", "reached": false}]}', "performance.oauth"),
        ("--benchmark", '{"benchmark": "oauth", "lines": []}', "performance.oauth"),
        ("--benchmark", "[]", "--benchmark"),
        ("--before", "", "release"),
    ],
)
def test_evidence_that_says_no_or_nothing_is_refused_and_nothing_is_written(tmp_path, built, option, text, field):
    bad = tmp_path / "bad"
    bad.write_text(text)
    code, printed = collected(tmp_path, *everything(tmp_path, built), option, str(bad))
    assert (code, printed["error"]["field"]) == (2, field)
    assert not (tmp_path / "out.json").exists()


@pytest.mark.strategy("Pre-deployment Checklist: Rollback plan prepared")
def test_a_release_before_without_an_assembly_is_no_way_back(tmp_path, built):
    options = everything(tmp_path, built)
    (built / "assemblies" / "prod" / "ib-oauth-stack-prod.template.json").unlink()
    code, printed = collected(tmp_path, *options)
    assert (code, printed["error"]["field"]) == (2, "--before")


def test_the_first_release_has_none_before_it_and_names_its_rollback_plan(tmp_path, built):
    options = everything(tmp_path, built)
    at = options.index("--before")
    first = [*options[:at], *options[at + 2 :]]
    code, printed = collected(tmp_path, *first)
    assert (code, printed["error"]["field"]) == (2, "checklist")
    assert printed["error"]["remedy"].endswith("rollback_plan")
    plan = "https://wiki.example/first-release"
    code, printed = collected(tmp_path, *first, "--rollback-plan", plan)
    assert (code, printed["checklist"]["rollback_plan"]) == (0, plan)
    (tmp_path / "out.json").unlink()
    code, printed = collected(tmp_path, *options, "--rollback-plan", plan)
    assert (code, printed["error"]["field"]) == (2, "--rollback-plan")
    assert not (tmp_path / "out.json").exists()


def test_what_an_environment_wants_and_that_is_missing_is_named(tmp_path):
    code, printed = collected(tmp_path, "--documentation", "https://docs.example/1")
    assert code == 2
    assert printed["error"]["remedy"].endswith("tests, security_review, performance, rollback_plan")


@pytest.mark.parametrize("text", ["{", "[]", '{"tests": 7}'])
def test_a_checklist_that_is_no_table_of_texts_is_refused(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(Refused, match="--checklist-file"):
        release.read_checklist(tmp_path / "c.json")


def test_the_local_environment_is_not_built_for_an_account():
    answer = RUN.invoke(app, ["release", "build", "local", "--json"])
    assert json.loads(answer.stdout)["error"]["remedy"] == "name some of dev, staging, prod"
