"""The whole loop in one command, on the embedded AWS: nothing in it is staged."""
