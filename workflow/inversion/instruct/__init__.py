"""Instruction data: reading files, formats, contexts, chat templates, selections and augmentations.

Import names from the modules, not from this package, so that a stage depends only on the code that it uses.
"""
