"""Who did what: one record per call, refusal, exchange and admin change, never lost by an answered call.

`record.py` is the record, `log.py` takes records and reads them back, `writer.py` makes them durable (database, and
`AUDIT_LOG` when set), `table.py` is their stored form.
"""
