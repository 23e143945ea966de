"""The only place with an effect on the host."""
