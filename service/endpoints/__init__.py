"""The routes of the three functions, built from what they need. `handlers/` composes them from the environment."""
