"""Replay: recorded evidence, judged again by today's rules."""
