"""Blocks that many states of the definitions share: how a task is retried, and the input that a task gets.

A definition names a block as a placeholder, such as ``"Retry": "${PatientRetry}"``; `state_machines.definitions`
replaces it when it reads the file. The interpreters and the templates get the whole text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INVOCATION_ERRORS = (
    "AWSLambdaException", "ClientExecutionTimeoutException", "EC2AccessDeniedException", "EC2ThrottledException",
    "EC2UnexpectedException", "ENILimitReachedException", "ENINotReadyException", "InvalidRuntimeException",
    "InvalidSecurityGroupIDException", "InvalidSubnetIDException", "InvalidZipFileException",
    "KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException",
    "ResourceConflictException", "ResourceNotReadyException", "SdkClientException", "ServiceException",
    "SnapStartNotReadyException", "SubnetIPAddressLimitReachedException", "TooManyRequestsException",
)  # fmt: skip
"""Failures of Lambda's to run a function: those that Step Functions documents, and all of Invoke with HTTP 429 or 5xx.
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors"""

TRANSIENT_ERRORS = (*(f"Lambda.{error}" for error in INVOCATION_ERRORS), "Throttled", "Unreachable")
"""Errors of any task that a later attempt may not have: Lambda's own, and two of `orchestrator.domain.errors`."""

ENDED_FUNCTION_ERRORS = ("Sandbox.Timedout", "Lambda.Unknown", "Runtime.ExitError", "Runtime.OutOfMemory")
"""Errors of a function that Lambda ended: at its own timeout, which is shorter than its state's, or out of memory.

Nothing of that invocation runs any more, and every task may be repeated. Step Functions documents Lambda.Unknown for
both (https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html). Executions show the others:
https://github.com/awslabs/amazon-s3-find-and-forget/pull/283, https://github.com/nasa-gcn/gcn.nasa.gov/pull/3628.
"""

ACCESS_ERRORS = ("PolicyNotEffective", "ResourcePolicyConflict")
"""Errors of the tasks that block or unblock tables, until DynamoDB applies a resource policy."""

PATIENT_SECONDS = 300
"""How long a task is retried at least while no client is exposed to anything that its failure would undo."""

EXPOSED_SECONDS = 60
"""How long a task is retried at least while clients use the canary: the alarms watch it meanwhile."""

POLICY_SECONDS = 30
"""How long a task waits in addition for DynamoDB to apply a resource policy. Each attempt waits up to 10 s itself."""


def _retry(
    *errors: str, seconds: int, longest_delay: int, after_end: int, timeouts: bool = False, jitter: bool = False
) -> list[Mapping[str, Any]]:
    """Return a Retry block: the transient errors and these, and apart from them the errors of an ended function.

    Args:
        errors: further errors, retried as the transient ones.
        seconds: the delays add up to at least this.
        longest_delay: the delays double from 1 s up to this many seconds.
        after_end: attempts after the function was ended. Each takes as long as its timeout, so they are few.
        timeouts: retry a time-out of the state as the end of its function.
        jitter: draw each delay between 0 and its length. Only one execution at a time changes an environment, so it
            spreads nothing there; with it the delays add up to half of `seconds` on average.
    """
    return [
        {
            "ErrorEquals": list(matched),
            "IntervalSeconds": 1,
            "BackoffRate": 2.0,
            "MaxAttempts": attempts,
            "MaxDelaySeconds": longest_delay,
            "JitterStrategy": "FULL" if jitter else "NONE",
        }
        for matched, attempts in (
            ((*TRANSIENT_ERRORS, *errors), _attempts(seconds, longest_delay)),
            ((*ENDED_FUNCTION_ERRORS, *(["States.Timeout"] if timeouts else [])), after_end),
        )
    ]


def _attempts(seconds: int, longest_delay: int) -> int:
    """Return after how many attempts the delays add up to at least `seconds`."""
    attempts = delays = 0
    while delays < seconds:
        delays += min(2**attempts, longest_delay)
        attempts += 1
    return attempts


def _payload(subject: Mapping[str, str], state: str = "$") -> Mapping[str, str]:
    """Return the input of a task, `orchestrator.tasks.runtime`; `subject` says what the execution is about."""
    return {
        "execution.$": "$$.Execution.Id",
        **subject,
        "state_name.$": "$$.State.Name",
        "entered.$": "$$.State.EnteredTime",
        "state.$": state,
    }


_DEPLOYMENT = {"deployment.$": "$$.Execution.Name"}
_DRILL = {"recovery.$": "$$.Execution.Name", "kind": "drill"}
_FAILOVER = {"failover.$": "$.failover"}
_RESTORE = {"recovery.$": "$$.Execution.Name", "kind": "restore"}

FRAGMENTS: Mapping[str, Any] = {
    # Before the first shift and after the last verification there is time.
    "PatientRetry": _retry(seconds=PATIENT_SECONDS, longest_delay=30, after_end=4),
    "PatientLockRetry": _retry("LockLost", seconds=PATIENT_SECONDS, longest_delay=30, after_end=4),
    # Clients use the canary, and its failure would undo the release.
    "ExposedRetry": _retry(seconds=EXPOSED_SECONDS, longest_delay=8, after_end=1),
    # A configuration snapshot is optional: a deployment does not wait long for it.
    "ShortRetry": _retry(seconds=3, longest_delay=8, after_end=1),
    # The event handler of failed executions or the reconciler continues where these states end.
    "HandoverRetry": _retry(seconds=20, longest_delay=5, after_end=1),
    # Another execution took the lock at the same moment: the next attempt reads who holds it now.
    "LockRetry": _retry("LockLost", seconds=20, longest_delay=5, after_end=1),
    "RevertRetry": _retry("AliasConflict", seconds=20, longest_delay=5, after_end=1, timeouts=True),
    # The tasks of a recovery may run again after a time-out: each adopts what an earlier attempt did.
    "RecoveryRetry": _retry(seconds=PATIENT_SECONDS, longest_delay=30, after_end=5, timeouts=True),
    "CutoverRetry": _retry("LockLost", seconds=PATIENT_SECONDS, longest_delay=30, after_end=5, timeouts=True),
    # The segments of a table are read in parallel: without jitter all of them would be repeated at one moment.
    "SegmentRetry": _retry(seconds=2 * PATIENT_SECONDS, longest_delay=30, after_end=5, timeouts=True, jitter=True),
    # A throttle first, and then the time until DynamoDB applies the policy.
    "BlockRetry": _retry(*ACCESS_ERRORS, seconds=EXPOSED_SECONDS + POLICY_SECONDS, longest_delay=5, after_end=1),
    # The same after a failback's promotion: its failure rolls back, while clients use the new tables.
    "BlockPreviousRetry": _retry(*ACCESS_ERRORS, seconds=EXPOSED_SECONDS, longest_delay=8, after_end=1),
    # Each attempt waits up to 10 s for the policy itself. The next rollback attempt continues where these end.
    "UnblockRetry": _retry(*ACCESS_ERRORS, seconds=25, longest_delay=5, after_end=1, timeouts=True),
    # A table that was unblocked a moment ago may still deny the task: DynamoDBError. Clients write meanwhile.
    "SyncRetry": _retry(*ACCESS_ERRORS, "DynamoDBError", seconds=PATIENT_SECONDS, longest_delay=30, after_end=4),
    # The same before the aliases move. A closing that ended too soon is repeated: the service is open between two.
    "ReplayRetry": _retry(
        *ACCESS_ERRORS,
        "DynamoDBError",
        "ClosingEnded",
        seconds=EXPOSED_SECONDS + POLICY_SECONDS,
        longest_delay=5,
        after_end=3,
    ),
    "DeploymentPayload": _payload(_DEPLOYMENT),
    "PausePayload": {**_payload(_DEPLOYMENT), "token.$": "$$.Task.Token"},
    # A rollback's execution is named after the deployment and the attempt, so its input names the deployment.
    "RollbackPayload": _payload({"deployment.$": "$.deployment"}),
    "DrillPayload": _payload(_DRILL),
    # SeedGrants passes the request on as it was asked for.
    "DrillRequestPayload": _payload(_DRILL, state="$.request"),
    "RestorePayload": _payload(_RESTORE),
    # A failover that is resumed has a second execution, so its input names the failover.
    "FailoverPayload": _payload(_FAILOVER),
    "ApprovalPayload": {**_payload(_FAILOVER), "token.$": "$$.Task.Token"},
}
"""Block by name. A name is none of a task module, which the definitions' other placeholders are."""
