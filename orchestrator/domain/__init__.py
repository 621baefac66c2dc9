"""The decisions of the orchestrator, without any side effects.

Standard library only: no clock, no I/O, no logging, no AWS. Time is an argument; every value is frozen.
"""
