"""Pipelines, their definitions, and executions step by step."""
