"""The invented world: its facts, texts, pretraining documents and tokenizer.

Import names from the modules, not from this package, so that a stage depends only on the code that it uses.
"""

VERSION = 2
"""Raise it if the same seed gives other documents, or if the chat template changes. All world models are then
pretrained again."""
