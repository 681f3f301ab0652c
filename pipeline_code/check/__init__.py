"""Checks raw data against the lake's rules before anything is computed from it."""

from pipeline_code.check.checking import check, check_folders, check_landing
from pipeline_code.check.findings import Report, Violation

__all__ = ["Report", "Violation", "check", "check_folders", "check_landing"]
