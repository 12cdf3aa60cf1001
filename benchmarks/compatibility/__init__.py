"""Which models, tokenizers and chat templates are exact, and which are refused: `make compatibility`."""
