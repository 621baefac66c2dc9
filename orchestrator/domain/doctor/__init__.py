"""The checks of `orchestrator doctor`: each is a function of what was read of an environment."""
