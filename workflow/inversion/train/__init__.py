"""Training: packing, the Trainer, checkpoint storage and resuming.

This module imports nothing, so that the workflow can read :data:`VERSION` without importing torch.
"""

VERSION = 4
"""Raise it if a change to this package changes trained weights. All runs are then trained again."""
