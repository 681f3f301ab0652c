"""Joins fraud reports, which come days later, with the predictions that they judge."""
