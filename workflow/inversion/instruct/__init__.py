"""Instruction-finetuning data: rows of files, sources, contexts, templates, selections and augmentations.

Import from the modules, so that a stage depends only on what it uses.
"""
