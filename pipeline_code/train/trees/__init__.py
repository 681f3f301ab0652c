"""Trees as numbers: read from XGBoost's files, and walked as machine code."""
