"""Ministack's IAM and STS: who acts, and what they may."""
