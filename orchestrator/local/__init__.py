"""The embedded local cloud: launcher, emulator patches, upstream identity provider and traffic.

No Lambda asset contains this package. Only `orchestrator.cli`, the tests and the benchmarks import it.
"""
