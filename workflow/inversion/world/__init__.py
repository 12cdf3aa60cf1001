"""The invented world: its facts, texts, pretraining documents and tokenizer.

Import from the modules, so that a stage depends only on what it uses.
"""

VERSION = 2
"""Raise it when the same seed writes other documents, or the chat template changes: base models are then pretrained
again."""
