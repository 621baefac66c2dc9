"""Every function of the orchestrator has the variables that it reads."""

from __future__ import annotations

import pytest

from infrastructure.orchestrator.functions import EVENT_HANDLERS, OPTIONAL_HANDLERS, TASKS
from tests.infrastructure.templates import resources
from tests.infrastructure.variables import read_by

MODULES = [f"{spec.package}.{name}" for name, spec in (*TASKS.items(), *EVENT_HANDLERS.items())]
OPTIONAL = [f"{spec.package}.{name}" for name, spec in OPTIONAL_HANDLERS.items()]


def variables_of(one, module):
    functions = resources(one.orchestrator, "AWS::Lambda::Function").values()
    (function,) = (found for found in functions if found["Handler"] == f"{module}.handler")
    return set(function["Environment"]["Variables"])


@pytest.mark.parametrize("module", MODULES)
def test_a_function_has_every_variable_that_it_reads(local, module):
    assert read_by(module) <= variables_of(local, module)


@pytest.mark.parametrize("module", OPTIONAL)
def test_a_function_that_not_every_environment_has_gets_every_variable_that_it_reads(everything_on, module):
    some = {
        "orchestrator.event_handlers.deliver_notifications": {"NOTIFICATIONS", "NOTIFICATION_QUEUE", "RECOVERY_POLICY"},
        "orchestrator.event_handlers.export_trace": {"OTLP_ENDPOINT", "OTLP_HEADERS_SECRET", "LEDGER_TABLE"},
        "orchestrator.event_handlers.acknowledge_incident": {"INCIDENTS", "LINK_KEY", "NOTIFICATIONS"},
        "orchestrator.event_handlers.publish_status_page": {"STATUS_PAGE", "STATUS_BUCKET", "HEARTBEATS_TABLE"},
    }
    assert some[module] <= read_by(module) <= variables_of(everything_on, module)


def test_what_is_read_behind_a_function_and_behind_a_member_of_the_cloud_is_found():
    # tell_age_of_proof leads to the chain of evidence, which leads to the archive.
    assert "EVIDENCE_BUCKET" in read_by("orchestrator.event_handlers.reconcile")
    assert "ROLLBACK_MACHINE" in read_by("orchestrator.event_handlers.alarm_state_change")
