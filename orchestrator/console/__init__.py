"""The console: the ledger and the operator's commands as pages on loopback. `orchestrator console` serves it."""
