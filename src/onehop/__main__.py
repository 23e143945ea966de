"""``python -m onehop`` is ``onehop``."""

from onehop.cli import main

main()
