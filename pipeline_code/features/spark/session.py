"""Spark's processes on one host, without a word of configuration from anywhere else."""

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipeline_code.common.exits import BadInput

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["ALL_CORES", "Daemon", "missing", "open_session", "prepare", "require"]

ALL_CORES = "local[*]"
# The rest of a host's memory is for the Python processes, which hold the shards.
HEAP_SHARE = 4
LOGGING = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
# How every daemon ends.
appender.stderr.filter.end.type = RegexFilter
appender.stderr.filter.end.regex = RECEIVED SIGNAL TERM
appender.stderr.filter.end.onMatch = DENY
appender.stderr.filter.end.onMismatch = ACCEPT
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %p %c{1}: %m%n%ex{1}
# A task's error is told once, by the job itself.
logger.executor.name = org.apache.spark.executor.Executor
logger.executor.level = off
logger.tasks.name = org.apache.spark.scheduler.TaskSetManager
logger.tasks.level = error
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
"""


def missing() -> str | None:
    """What this host lacks to run Spark, and how to get it; None if it lacks nothing."""
    lacking = [] if find_spec("pyspark") else ["PySpark"]
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        lacking.append("Java 17 or later")
    if not lacking:
        return None
    return (
        f"engine spark must have PySpark and Java, got no {' and no '.join(lacking)}; run the "
        "image's target `spark`, or install a Java runtime and `make peers`"
    )


def require() -> None:
    """Raises BadInput if Spark cannot run here."""
    lacking = missing()
    if lacking is not None:
        raise BadInput(lacking)


def prepare(work: Path, address: str) -> None:
    """Tells all of Spark's processes that this one starts where to write and whom to listen to.

    Args:
        work: Folder for their files.
        address: This host's, as the other hosts know it.
    """
    import pyspark  # noqa: PLC0415 - only the image's target `spark` has it

    settings = work / "conf"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "log4j2.properties").write_text(LOGGING)
    os.environ |= {
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_CONF_DIR": str(settings),
        "SPARK_LOCAL_DIRS": str(work / "shuffle"),
        "SPARK_WORKER_DIR": str(work / "executors"),
        "SPARK_LOCAL_IP": address,
        # A master and a worker do little: what makes Java fast later only makes it start late.
        "SPARK_DAEMON_JAVA_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
    }


def open_session(
    master: str, address: str, settings: Mapping[str, Any] = MappingProxyType({})
) -> "SparkSession":
    """A session on this host's cores (ALL_CORES) or on the cluster of a master.

    Args:
        master: Its URL.
        address: This host's.
        settings: Others of Spark's.
    """
    # It is of PySpark's pandas interface, which nothing here uses.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    from pyspark.sql import SparkSession  # noqa: PLC0415 - see above

    heap = f"{_memory_mib() // HEAP_SHARE}m"
    builder = SparkSession.builder.master(master).appName("features")
    for name, value in {
        "spark.ui.enabled": False,
        "spark.ui.showConsoleProgress": False,
        "spark.driver.host": address,
        "spark.driver.memory": heap if master == ALL_CORES else "1g",
        "spark.executor.memory": heap,
        # A shard is a partition; there is nothing to adapt.
        "spark.sql.adaptive.enabled": False,
        # Arrow's offsets have 32 bits, and several blocks may come in one batch.
        "spark.sql.execution.arrow.maxBytesPerBatch": 1 << 28,
        **settings,
    }.items():
        builder = builder.config(name, str(value).lower() if isinstance(value, bool) else value)
    return builder.getOrCreate()


class Daemon:
    """One of Spark's own processes; `prepare` comes first.

    Daemon("deploy.master.Master", "--host", "10.0.0.1", "--port", "7077").stop()
    """

    def __init__(self, name: str, *arguments: str) -> None:
        self._name = name.rpartition(".")[2].lower()
        command = [f"{os.environ['SPARK_HOME']}/bin/spark-class", f"org.apache.spark.{name}"]
        # spark-class replaces itself by Java, so this is the daemon and not a shell around it.
        self._process = subprocess.Popen([*command, *arguments], stdin=subprocess.DEVNULL)

    def check(self) -> None:
        """Raises RuntimeError if it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(
                f"Spark's {self._name} must run until the end, got exit code "
                f"{self._process.returncode}; its log above says why"
            )

    def stop(self) -> None:
        """Ends it, and what it started."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _memory_mib() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
