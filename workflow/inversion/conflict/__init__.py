"""Conflict sets: their sources and builders, the rules that clean them, and their audit.

Import from the modules, so that a stage depends only on what it uses.
"""
