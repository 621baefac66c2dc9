"""Lambda concurrency: what the account allows, and what a deployment provisions."""
