"""Athena's SQL over the Glue catalog and S3, executed by DuckDB.

ministack hands SQL to DuckDB as it is. Here it is translated from Athena's dialect, tables are read
by their Glue schema, with partitions registered or projected and pruned, and the statements that
write (CTAS, INSERT, UNLOAD) or describe are executed too. A query reads and writes S3 with the
caller's permissions.
"""

from local_aws.adapter import queries
from local_aws.adapter.cloudformation import adoption
from local_aws.athena.results import check_reader
from local_aws.athena.statements import execute


def install() -> None:
    """Execute Athena's queries here."""
    queries.replace_query_engine(execute)
    queries.check_readers(check_reader)
    queries.describe_workgroups()
    adoption.refuse_to_delete_used_workgroups()
