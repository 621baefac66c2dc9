"""The commands of `notify`."""
