"""The actions of `orchestrator maintenance`."""
