"""Context reliance of language models over the course of instruction finetuning.

Rooms, ground floor first: ``config``, ``artifacts``, ``locks``, ``fetch``, ``branches``, ``records``, ``names``,
``matching``, ``manifests``, ``series``, ``exchange``, ``stats``, ``world``, ``instruct``, ``conflict``, ``models``,
``train``, ``respond``, ``score``, ``theory``, ``analyse``, ``plot``, ``report``, ``items_page``, ``plan``,
``monitor``, ``starting``, ``cli``.
A room imports only rooms that stand before it in this list; ``job`` is what every script does first.
"""
