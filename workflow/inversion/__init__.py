"""Context reliance of language models over the course of instruction finetuning.

Rooms, ground floor first: ``config``, ``records``, ``artifacts``, ``stats``, ``world``,
``instruct``, ``conflict``, ``models``, ``train``, ``respond``, ``score``, ``analyse``, ``plot``.
A room imports only rooms that stand before it in this list.
"""
