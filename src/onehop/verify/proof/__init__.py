"""Proofs about all packets at once: what is isolated, and what a port can say it is."""
