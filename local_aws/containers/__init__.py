"""The confined processes of jobs, servers and functions."""
