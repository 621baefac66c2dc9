"""What the orchestrator decides, and nothing of how it acts.

Standard library only: no clock, no I/O, no logging, no AWS. Time is an argument; every value is frozen.
"""
