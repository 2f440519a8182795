"""One operation of a source and what it is made of, whatever kind of document it came from.

`operation.py` is the operation, `json.py` writes and reads it, `report.py` says what became of a document's operations.
Beside them lies what every reader and caller of operations shares: media types, JSON pointers, names, sizes, texts for
models, and the keywords of JSON Schema with the cost of checking them.
"""
