"""From folders of pictures to labelled, split items (`folders`), their copies (`near`) and their faults (`check`).

Importing this package imports nothing heavy: take the module you need.
"""
