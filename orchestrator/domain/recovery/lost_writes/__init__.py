"""What a restore loses of the writes that its source tables acknowledged."""
