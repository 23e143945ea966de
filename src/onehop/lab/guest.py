"""What the lab asks of a host's agent: the same as `onehop plug` and `onehop unplug` do, over the same socket."""
