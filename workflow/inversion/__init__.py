"""Context reliance of language models over the course of instruction finetuning.

Modules in dependency order: ``config``, ``artifacts``, ``seals``, ``parquet``, ``source_code``, ``locks``, ``fetch``,
``branches``, ``records``, ``names``, ``matching``, ``manifests``, ``measured_folders``, ``series``, ``exchange``,
``stats``, ``world``, ``instruct``, ``conflict``, ``models``, ``train``, ``respond``, ``score``, ``theory``,
``analyse``, ``plot``, ``report``, ``items_page``, ``plan``, ``monitor``, ``first_study``, ``cli``.
Each module imports only from modules that precede it in this list. ``job``, which every script calls first, is
outside this order.
"""
