"""`/metrics`: Prometheus' text format, and the figures of the ledger."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from math import inf, isinf, isnan, nan

import pytest
from typer.testing import CliRunner

from orchestrator.cli import context as cli_context
from orchestrator.cli.main import app
from orchestrator.console.prometheus import CONTENT_TYPE, gauge, render_metrics
from orchestrator.domain.deployment.record import DeploymentOutcome
from orchestrator.domain.errors import Throttled
from tests import followed
from tests.samples import NOW, seconds
from tests.served_console import HOSTILE, busy_scene, client_of, scene_in_flight

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = rf'({NAME})="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL})(?:,{LABEL})*)\}})? (NaN|[+-]Inf|[+-]?[0-9.]+(?:e[+-]?[0-9]+)?)")
UNESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def parse(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """A parser of the text format that accepts nothing else than the specification does, for gauges."""
    assert text.endswith("\n")
    found, described, typed = {}, set(), set()
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            name, _, words = line.removeprefix("# HELP ").partition(" ")
            assert words
            assert name not in described, f"{name} is described twice"
            described.add(name)
        elif line.startswith("# TYPE "):
            name, kind = line.removeprefix("# TYPE ").split(" ")
            assert (kind, name not in typed) == ("gauge", True)
            typed.add(name)
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            name, labels, value = sample[1], sample[2] or "", sample[sample.re.groups]
            pairs = [
                (key, re.sub(r'\\["\\n]', lambda one: UNESCAPED[one[0]], word))
                for key, word in re.findall(LABEL, labels)
            ]
            assert len({key for key, _ in pairs}) == len(pairs)
            assert name in described & typed
            key = name, frozenset(pairs)
            assert key not in found, f"{line} is there twice"
            found[key] = float(value)
    return found


def value_of(metrics, name, **labels):
    return metrics[f"orchestrator_{name}", frozenset({"environment": "local", **labels}.items())]


@pytest.fixture(scope="module")
def scene():
    scene = busy_scene()
    # d-0 ended 46 s after the first moment.
    scene.clock.advance(60)
    return scene


@pytest.fixture(scope="module")
def metrics(scene):
    answer = client_of(scene.context).get("/metrics")
    assert (answer.status_code, answer.headers["content-type"]) == (200, CONTENT_TYPE)
    return parse(answer.text)


def test_the_state_of_the_environment_is_measured(metrics):
    assert value_of(metrics, "lock_held") == 1
    assert value_of(metrics, "frozen") == 1
    assert value_of(metrics, "maintenance") == 0
    assert value_of(metrics, "alarms_firing") == 1
    assert value_of(metrics, "alarms_missing") == 0
    assert value_of(metrics, "open_incidents", severity="SEV2") == 1
    assert value_of(metrics, "open_incidents", severity="SEV1") == 0
    assert value_of(metrics, "evidence_entries") == 2


def test_an_alarm_that_was_deleted_is_measured_as_missing():
    scene = busy_scene()
    scene.alarms.deleted = {"ib-oauth-token-latency-test"}
    metrics = parse(client_of(scene.context).get("/metrics").text)
    assert (value_of(metrics, "alarms_firing"), value_of(metrics, "alarms_missing")) == (0, 1)


def test_the_deployment_in_progress_has_the_figures_of_explain(monkeypatch, scene, metrics):
    monkeypatch.setattr(cli_context, "context_of", lambda _name: scene.context)
    explained = json.loads(CliRunner().invoke(app, ["explain", "d-1", "--json"]).stdout)
    evidence = next(one for one in explained["decisions"][-1]["evidence"] if one["probe"] == "metrics")
    for name, figures in evidence["figures"]["functions"].items():
        for side in ("stable", "canary"):
            labels = {"deployment": "d-1", "function": name, "side": side, "version": figures[side]["version"]}
            assert value_of(metrics, "requests", **labels) == figures[side]["requests"]
            assert value_of(metrics, "server_errors", **labels) == figures[side]["server_errors"]
    for one in explained["false_alarms"]:
        labels = {"deployment": "d-1", "source": one["source"].replace("_", " ")}
        assert value_of(metrics, "evidence_odds_needed", **labels) == pytest.approx(one["needed"])
        if one["evidence"] is not None:
            assert value_of(metrics, "evidence_odds", **labels) == pytest.approx(one["evidence"])
    assert value_of(metrics, "canary_weight_ratio", deployment="d-1") == 0.1
    assert value_of(metrics, "deployment_phase", deployment="d-1", phase="SHIFTING") == 1


def test_deployments_and_recoveries_have_their_trends(metrics):
    assert value_of(metrics, "deployments", outcome="ROLLED_BACK") == 1
    assert value_of(metrics, "change_failure_ratio") == 1
    assert value_of(metrics, "recovery_time_seconds", kind="drill") == 73
    assert value_of(metrics, "recovery_time_objective_seconds", kind="drill") == 7200
    assert value_of(metrics, "data_loss_seconds", kind="drill") == 2
    assert value_of(metrics, "recoveries_in_progress") == 1


def test_what_was_not_measured_has_no_sample(metrics):
    sources = {dict(labels)["source"] for name, labels in metrics if name == "orchestrator_evidence_odds"}
    assert sources == {"request metrics", "alarms"}


@pytest.mark.parametrize("path", ["/metrics", "/", "/deployments", "/recoveries", "/costs"])
@pytest.mark.parametrize(("outcome", "most"), [(DeploymentOutcome.SUCCEEDED, 20), (DeploymentOutcome.REFUSED, 21)])
def test_many_records_are_read_with_few_calls(monkeypatch, path, outcome, most):
    scene, record = scene_in_flight()
    for number in range(200):
        at = NOW + seconds(number)
        scene.cloud.ledger.create_record(
            replace(record, id=f"d-{number:04}x", requested_at=at, phase="ENDED", outcome=outcome, ended_at=at)
        )
        scene.cloud.drills.create_record(
            replace(followed.recovery_snapshot().recovery, id=f"dr-{number}", requested_at=at)
        )
    calls = []

    def counted(call, **params):
        calls.append(params)
        return call(**params)

    for name in ("get_item", "query", "batch_get_item"):
        monkeypatch.setattr(scene.table, name, partial(counted, getattr(scene.table, name)))
    assert client_of(scene.context).get(path).status_code == 200
    assert len(calls) <= most


def test_hostile_names_are_labels_and_nothing_else():
    text = client_of(busy_scene(HOSTILE).context).get("/metrics").text
    parse(text)
    assert not {"\x1b", "\u202e"} & set(text)


@pytest.mark.parametrize("label", ['a"b', "a\\b", "a\nb", 'a",evil="1', "ü"])
def test_every_label_is_read_as_it_was(label):
    text = render_metrics([gauge("x", "words\nand \\ more", (1, {"name": label}))], environment="e")
    assert parse(text) == {("x", frozenset({("name", label), ("environment", "e")})): 1.0}


@pytest.mark.parametrize("value", [0.0, -1.5, 1e300, 1e-9, inf, -inf, nan, 1796036167.257, True])
def test_every_number_is_read_as_it_was(value):
    (read,) = parse(render_metrics([gauge("x", "words", (value, {}))], a="b")).values()
    assert read == value or (isnan(read) and isnan(value))
    assert isinf(read) == isinf(value)


def test_a_gauge_without_a_sample_is_left_out():
    assert render_metrics([gauge("x", "words", (None, {}))]) == ""


def test_a_cloud_that_does_not_answer_is_a_failed_scrape():
    scene, _ = scene_in_flight()

    def fail():
        raise Throttled("slow down")

    scene.cloud.freezes.read_freeze = fail
    answer = client_of(scene.context).get("/metrics")
    assert (answer.status_code, answer.text) == (503, "slow down\n")


def test_a_scraper_needs_the_key():
    client = client_of(scene_in_flight()[0].context, Authorization="Bearer wrong")
    assert client.get("/metrics").status_code == 403
