"""Processing and training jobs: their requests, containers, clusters and records."""
