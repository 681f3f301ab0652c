"""Where jobs, servers and functions run, confined."""
