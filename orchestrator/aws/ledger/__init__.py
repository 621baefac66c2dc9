"""The orchestrator's own records in the ledger table and the evidence bucket."""
