"""Measurements, each with its baseline in the same run. `make bench` runs all; each module runs alone as well."""
