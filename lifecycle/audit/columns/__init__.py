"""A log as files of columns: exported as Parquet, and audited there without the database.

    log ─→ shards of whole orders ─→ records/00000.parquet, views/00000.parquet, ..., manifest.json
                                               └→ one task a shard, in any process ─→ Audit

An order whose path is plain is checked by columns; every other one by the code of `replay`.
"""
