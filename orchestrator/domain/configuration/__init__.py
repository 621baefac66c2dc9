"""Configuration snapshots: normalised, redacted, compared."""
