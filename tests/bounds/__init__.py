"""What each surface may cost, measured: nothing that one party sends keeps another waiting, or stays in memory.

`python -m tests.bounds [words]` prints a line for each row whose surface or name has the words; `stage.py` says who
takes part, `judging.py` what is measured and how, and `rows/` holds the rows. A new kind of input is one entry there.
"""
