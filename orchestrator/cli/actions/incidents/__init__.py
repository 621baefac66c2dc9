"""The actions of `orchestrator incident`."""
