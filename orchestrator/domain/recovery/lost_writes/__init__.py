"""What a restore loses of the writes that its original tables acknowledged."""
