"""The command line as a module: `python -m lifecycle`."""

from lifecycle.cli import main

main()
