"""Training: packing, the Trainer, the checkpoint protocol, resume.

This module stays light, so that the workflow can read :data:`VERSION` without importing torch.
"""

VERSION = 4
"""Raise it when a change of this package changes trained weights: all runs are then trained again."""
