"""Mistakes made on purpose in compiled states, and whether the proof notices them: what the proof is worth."""
