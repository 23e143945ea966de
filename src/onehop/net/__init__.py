"""Addresses, identifiers and names: values only, no I/O."""
