"""Athena's SQL over the Glue catalog and S3, executed by DuckDB.

ministack hands SQL to DuckDB as it is. Here it is translated from Athena's dialect, tables are read
by their Glue schema, with partitions registered or projected and pruned, and the statements that
write (CTAS, INSERT, UNLOAD) or describe are executed too. What a query may read is not checked
against the caller's S3 permissions.
"""

from local_aws.adapter import adoption, queries
from local_aws.athena.statements import execute


def install() -> None:
    """Execute Athena's queries here."""
    queries.replace_query_engine(execute)
    adoption.refuse_to_delete_used_workgroups()
