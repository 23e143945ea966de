"""Many controllers on one PostgreSQL, killed, paused and cut off while clients write and agents follow."""
