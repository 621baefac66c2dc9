"""Adapters of Lambda: versions, aliases, invocations, provisioned concurrency."""
