"""Who acts, and what they may: ministack's IAM and STS."""
