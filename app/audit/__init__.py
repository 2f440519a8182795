"""Who did what: one record per call, refusal, exchange and admin change, never lost by an answered call.

`outcome.py` makes each record, `record.py` says what is in it and how it is stored, `writer.py` makes it durable
(database, and `AUDIT_LOG` when set), `log.py` reads back what was written.
"""
