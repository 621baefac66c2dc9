"""InvalidateTokens: raise the revocation epoch of the restored tokens, so that all earlier logins end."""

from __future__ import annotations

from orchestrator.application.failover.restoring import invalidate_tokens
from orchestrator.domain.failover.steps import Step
from orchestrator.tasks.failover_runtime import step_task

handler = step_task(Step.SANITIZE_TOKENS, invalidate_tokens)
