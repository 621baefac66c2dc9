"""Adapters of a rebuild: what an emptied environment still has, its stacks, and the record of the rebuild."""
