"""The actions of `orchestrator status-page`."""
