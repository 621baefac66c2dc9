"""The command `upkeep`: what an environment needs before it fails, and what it could save."""
