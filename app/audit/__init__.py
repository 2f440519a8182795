"""Who did what: one record per call, refusal, exchange and admin change, never lost by an answered call.

`record.py` is the record, `log.py` stores it (database, and `AUDIT_LOG` when set) and reads it back.
"""
