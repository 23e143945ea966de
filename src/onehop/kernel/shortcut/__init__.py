"""The short cut for established flows, by eBPF."""
