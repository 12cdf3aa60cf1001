"""Conflict sets: their sources and builders, the rules that clean them, their controls and their audit.

Import from the modules, so that a stage depends only on what it uses.
"""
