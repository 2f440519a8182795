"""What is registered: sources, their operations, and the use cases that register, change, refresh and remove them.

`models.py` is what is stored and what admins see, `repository.py` holds every query, `registration.py` the use cases,
`rules.py` what an admin may state (audience and origin, access, upstream_auth). `document.py` fetches a document and
its files, `reading.py` has them read by a process of its own (`reader.py`), `local.py` takes them from a disk.
"""
