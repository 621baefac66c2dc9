"""Metric math: parser, functions and evaluator."""
