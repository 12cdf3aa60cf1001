"""Conflict sets: their sources and builders, the rules that clean them, their controls and their audit.

Import names from the modules, not from this package, so that a stage depends only on the code that it uses.
"""
