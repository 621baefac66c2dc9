"""Actions on the stacks of an environment."""
