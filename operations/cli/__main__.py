"""`python -m operations.cli`, for where the console script is not on the path."""

from operations.cli import main

main()
