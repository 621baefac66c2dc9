"""Findings that wait for their owners: failing compliance controls and overdue upkeep. No I/O."""
