"""Firehose transformation: rows of the lake."""
