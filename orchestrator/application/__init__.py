"""Use cases that need several adapters. `cloud` composes the adapters."""
