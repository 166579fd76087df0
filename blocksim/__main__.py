"""`python -m blocksim` is the command `blocksim`."""

from blocksim.cli import main

main()
