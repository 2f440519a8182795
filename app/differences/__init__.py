"""What a document offers now and did not before, as pure functions: `operations.py`, and below it `schemas.py`."""
