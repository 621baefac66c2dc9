"""docs/reference/controls.md has every control, and the guide every action that the commands need."""

from __future__ import annotations

from tests.aws_operations import called_operations
from tests.controls import PAGE, page

READINGS = ("orchestrator/aws/compliance_readings.py", "orchestrator/aws/cloudtrail.py")


def test_the_page_is_what_the_catalogue_says():
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.controls"


def test_the_guide_lists_every_action_that_the_readings_need():
    guide = (PAGE.parents[1] / "guides" / "compliance.md").read_text(encoding="utf-8")
    own = {f"{one.service}:{one.name}" for one, modules in called_operations().items() if modules & set(READINGS)}

    assert len(own) >= 7
    assert not {action for action in own if action not in guide}
