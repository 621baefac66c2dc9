"""What the orchestrator counts of itself, as CloudWatch takes it."""

import json
from datetime import UTC, datetime

from orchestrator.aws.measures import Measures

NOW = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)


def measured():
    lines = []
    return Measures("prod", lambda: NOW, lambda line: lines.append(json.loads(line))), lines


def test_what_is_counted_is_there_by_environment_and_by_what_is_said_of_it():
    measures, lines = measured()
    measures.count("Deployments", {"ending": "SUCCEEDED"}, "d-1")
    (line,) = lines
    assert {key: line[key] for key in ("environment", "ending", "Deployments", "deployment")} == {
        "environment": "prod",
        "ending": "SUCCEEDED",
        "Deployments": 1,
        "deployment": "d-1",
    }
    assert line["_aws"] == {
        "Timestamp": int(NOW.timestamp() * 1000),
        "CloudWatchMetrics": [
            {
                "Namespace": "IbOauth/Orchestrator",
                "Dimensions": [["environment"], ["environment", "ending"]],
                "Metrics": [{"Name": "Deployments", "Unit": "Count"}],
            }
        ],
    }


def test_several_durations_are_one_line_in_seconds():
    measures, lines = measured()
    measures.seconds({"TriggerToRestored": 2.5, "Exposed": 17.0}, {}, "d-1")
    (line,) = lines
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["environment"]]
    assert directive["Metrics"] == [{"Name": name, "Unit": "Seconds"} for name in ("TriggerToRestored", "Exposed")]
    assert (line["TriggerToRestored"], line["Exposed"]) == (2.5, 17.0)


def test_what_is_not_known_is_not_measured():
    measures, lines = measured()
    measures.seconds({}, {}, "d-1")
    assert lines == []


def test_a_line_is_written_in_one_piece(capsys):
    Measures("prod", lambda: NOW).count("Rollbacks", {"trigger": "alarm"}, "d-1")
    written = capsys.readouterr().out
    assert written.endswith("}\n")
    assert json.loads(written)["Rollbacks"] == 1
