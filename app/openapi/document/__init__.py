"""The document: its bytes, and the files that it refers to, as one tree of JSON values."""
