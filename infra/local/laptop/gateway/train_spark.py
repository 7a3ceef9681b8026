"""python train_spark.py FOLDER: does what a load does (Parquet, casts, a shuffle, JDBC), so that the JVM has loaded the classes that a load needs.

Started with -XX:ArchiveClassesAtExit, so it waits until the JVM has ended. No database is there: JDBC's classes are loaded on the way to the refusal.
"""

import sys

from py4j.protocol import Py4JError
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.functions import col

_NOWHERE = "jdbc:postgresql://127.0.0.1:9/none?connectTimeout=1"  # port 9 discards, where anything listens at all


def main(folder: str) -> None:
    spark = SparkSession.builder.getOrCreate()
    columns = ["id", "cast(id AS string) AS text", "cast(id AS decimal(18, 2)) AS amount", "timestamp_micros(id) AS at", "current_date() AS day"]
    spark.range(1000).selectExpr(*columns).write.parquet(f"{folder}/rows")
    frame = spark.read.parquet(f"{folder}/rows")
    frame = frame.withColumns({name: col(name).cast("string") for name in ("at", "day")}).repartition(4)
    frame.write.format("noop").mode("overwrite").save()
    try:
        frame.write.format("jdbc").mode("append").options(url=_NOWHERE, dbtable="rows").save()
    except (PySparkException, Py4JError) as refused:
        print(f"as expected: {refused}".splitlines()[0], file=sys.stderr)
    jvm = SparkContext._gateway.proc
    spark.stop()
    jvm.stdin.close()
    jvm.wait()


if __name__ == "__main__":
    main(sys.argv[-1])
