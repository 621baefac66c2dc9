"""The embedded local cloud: its launcher, the mends to the emulator, the upstream platform and the traffic.

Nothing here goes into a Lambda asset, and nothing outside `orchestrator.cli`, the tests and the benchmarks imports it.
"""
