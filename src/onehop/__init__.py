"""onehop: every Linux host its own copy of every virtual router that its instances use."""

__version__ = "0.1.0"
