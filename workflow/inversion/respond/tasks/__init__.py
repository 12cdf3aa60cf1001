"""Tasks of lm-eval that it does not have itself: a YAML file a task, and the functions that they name."""
