"""Comparison of two tables by order-independent digests."""
