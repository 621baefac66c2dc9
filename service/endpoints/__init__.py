"""The routes of the three functions, built from their dependencies. `handlers/` builds them from the environment."""
