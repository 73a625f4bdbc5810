"""One module per framework: what it says, told to the recorder; and the only guards.

Nothing that goes wrong in vlog passes an integration: it is caught, counted and reported there.
"""
