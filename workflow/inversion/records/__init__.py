"""The typed rows that pass from stage to stage, and their tables (:mod:`inversion.records.frames`)."""
