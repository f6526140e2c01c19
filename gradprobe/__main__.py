"""`python -m gradprobe`."""

from gradprobe.cli import main

main()
