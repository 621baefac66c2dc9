"""A text that the records could not hold is refused by every command that takes one, also half a character."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain.deployment.freeze import refuse_missing_reason
from orchestrator.domain.errors import Refused
from orchestrator.domain.incidents.commands import add_action
from orchestrator.domain.schema import refuse_long_text
from orchestrator.domain.status_page.overrides import STATES, new_override
from orchestrator.domain.status_page.settings import DEFAULT_COMPONENTS
from tests.samples import NOW

HALF = "it fails \udcff"
"""What Python makes of a byte of another encoding in an argument."""
PAGE = DEFAULT_COMPONENTS
COMMANDS = {
    "incident": lambda text: add_action(None, text, "ann", NOW.date(), "ann"),
    "any": lambda text: refuse_long_text("text", text, 100),
    "freeze": lambda text: refuse_missing_reason("--reason", text),
    "override": lambda text: new_override(PAGE, PAGE[0].id, STATES[0], text, NOW + timedelta(hours=1), "ann", NOW),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_half_a_character_is_refused(command):
    with pytest.raises(Refused) as refused:
        COMMANDS[command](HALF)
    assert "UTF-8" in refused.value.remedy
