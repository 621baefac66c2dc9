"""What ends a scenario early."""

from __future__ import annotations

from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.domain.errors import OrchestratorError
from orchestrator.local.cloud import LocalCloudError
from orchestrator.local.deployed_environment import WaitTimeout

FAILURES: Final = (OrchestratorError, WaitTimeout, LocalCloudError, BotoCoreError, ClientError, OSError)
"""The result of the scenario has the message, and the next scenario still runs."""
