"""What the benchmarks compare with, each as its own documents have it."""
