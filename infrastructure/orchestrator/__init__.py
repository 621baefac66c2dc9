"""The orchestrator's stack."""
