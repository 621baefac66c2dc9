"""The commands that check: the settings file, and an environment with its account."""
