"""How the document of a source is had and read: the only part that knows which kind of document it is.

`fetching.py` gets a document and its files within limits, `apart.py` has them read by a process of its own, `local.py`
takes them from a disk.
"""
