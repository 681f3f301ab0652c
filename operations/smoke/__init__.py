"""The smoke test of an account: it answers what no reading of AWS's documents could."""
