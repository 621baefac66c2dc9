"""Upkeep: what an environment needs before it fails, and what it could save. Measured figures in, findings out."""
