"""The data and processes that benchmarks measure on."""
