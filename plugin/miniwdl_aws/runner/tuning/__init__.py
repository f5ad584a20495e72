"""What miniwdl does at a cost that grows with a run, done at less.

`substitutes` has the table of what takes the place of what; the other modules are what it puts
there, and `dockerless` what miniwdl is spared beside. ``docs/upstream.md`` says what should go
upstream instead.
"""
