"""What is registered: sources, their operations, and the use cases that register, change, refresh and remove them.

One file a story: `register.py`, `update.py`, `refresh.py`, `shape.py`, `queries.py`, put together in `use_cases.py`.
Whatever changes something does it through `writing.py`. `source.py` is what a call needs to know of its source,
`tables.py` what is stored, `forms.py` what admins send and see; `repository.py` holds every query, `rules.py` what an
admin may state (addresses, audience and origin), `inventory.py` what a document offers under that. `schedule.py`
refreshes what is due.
"""
