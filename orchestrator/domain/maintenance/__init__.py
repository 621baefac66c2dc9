"""Maintenance: planned windows, who is informed of them and when, and what they hold back. No I/O.

`window.py` has the states and the table of transitions; `schedule.py` decides commands and what the clock does;
`announcements.py` says what is announced when; `effects.py` says what a window refuses and silences.
"""
