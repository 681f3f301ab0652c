"""The embedded AWS: ministack, what it lacks, and a local SageMaker, in one process on loopback."""
