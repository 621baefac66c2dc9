"""The commands below `restore`."""
