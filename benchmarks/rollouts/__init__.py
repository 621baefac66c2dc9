"""Simulated rollouts: traffic by version, a labelled set, the product's verdict on it, and the rules of other tools.

`benchmarks.verdict` prints what they find. Everything is drawn from seeds, so a row can be repeated by its number.
"""
