"""What the orchestrator counts of itself, as CloudWatch takes it."""

import json
from datetime import UTC, datetime

from orchestrator.aws.cloudwatch.embedded_metrics import EmbeddedMetrics

NOW = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)


def measured():
    lines = []
    return EmbeddedMetrics("prod", lambda: NOW, lambda line: lines.append(json.loads(line))), lines


def test_what_is_counted_is_there_by_environment_and_by_what_is_said_of_it():
    measures, lines = measured()
    measures.put_count("Deployments", {"outcome": "SUCCEEDED"}, "d-1")
    (line,) = lines
    assert {key: line[key] for key in ("environment", "outcome", "Deployments", "deployment")} == {
        "environment": "prod",
        "outcome": "SUCCEEDED",
        "Deployments": 1,
        "deployment": "d-1",
    }
    assert line["_aws"] == {
        "Timestamp": int(NOW.timestamp() * 1000),
        "CloudWatchMetrics": [
            {
                "Namespace": "IbOauth/Orchestrator",
                "Dimensions": [["environment"], ["environment", "outcome"]],
                "Metrics": [{"Name": "Deployments", "Unit": "Count"}],
            }
        ],
    }


def test_several_durations_are_one_line_in_seconds():
    measures, lines = measured()
    measures.put_duration({"RollbackSeconds": 2.5, "CustomerExposureSeconds": 17.0}, {}, "d-1")
    (line,) = lines
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["environment"]]
    assert directive["Metrics"] == [
        {"Name": name, "Unit": "Seconds"} for name in ("RollbackSeconds", "CustomerExposureSeconds")
    ]
    assert (line["RollbackSeconds"], line["CustomerExposureSeconds"]) == (2.5, 17.0)


def test_what_is_not_known_is_not_measured():
    measures, lines = measured()
    measures.put_duration({}, {}, "d-1")
    assert lines == []


def test_a_line_is_written_in_one_piece(capsys):
    EmbeddedMetrics("prod", lambda: NOW).put_count("Rollbacks", {"trigger": "alarm"}, "d-1")
    written = capsys.readouterr().out
    assert written.endswith("}\n")
    assert json.loads(written)["Rollbacks"] == 1
