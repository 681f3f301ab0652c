"""Turns a user's transactions into the rows of the lake, or says all that is wrong with them."""

from pipeline_code.landing.preparation import (
    OPTIONAL,
    REPORT_DELAY,
    REQUIRED,
    Examination,
    examine,
    prepare,
)

__all__ = ["OPTIONAL", "REPORT_DELAY", "REQUIRED", "Examination", "examine", "prepare"]
