"""Rehearsed disasters: what is injected, the expected end, and the judgement of what a run measured."""
