"""A packet walked through the compiled state of every host, without a kernel."""
