"""The commands of `evidence`."""
