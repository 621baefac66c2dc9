"""Run one check of an environment: read, then judge. A reading that fails is a result of its own, never a pass."""

from __future__ import annotations

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.aws.account_readings import Denied, denials
from orchestrator.aws.clients import error_code
from orchestrator.domain.doctor.result import Named, Result, denied, failed, unread
from orchestrator.domain.errors import OrchestratorError, Refused, Throttled, Unreachable

_ABSENT = frozenset({"NoSuchBucket", "NotFoundException", "ResourceNotFoundException", "StateMachineDoesNotExist"})
"""Error codes of resources that a stack creates."""


def examine(check: str, judge: Callable[[], Result], env: str) -> Named:
    """Return the result of a check.

    Args:
        check: its name.
        judge: reads what it needs, and returns the result.
        env: the environment's name, for the remedy.
    """
    try:
        with denials():
            result = judge()
    except Denied as error:
        result = denied(error.action)
    except (Throttled, Unreachable, BotoCoreError) as error:
        result = unread(str(error))
    except Refused as error:
        result = failed(f"{error.field}: {error.value}", error.remedy)
    except OrchestratorError as error:
        result = failed(str(error), f"orchestrator status --env {env}")
    except ClientError as error:
        if error_code(error) in _ABSENT:
            remedy = f"npx cdk deploy --all -c environment={env}; with complete stacks, docs/runbooks/ledger-lost.md"
            result = failed(f"not deployed: {error}", remedy)
        else:
            result = unread(str(error))
    return Named(check, result)
