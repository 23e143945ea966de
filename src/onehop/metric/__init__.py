"""Metrics and health: what is counted (`catalog`), how it is counted without a lock (`tally`), and who may read it."""
