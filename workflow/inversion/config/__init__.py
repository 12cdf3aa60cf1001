"""The configuration of a study: strict, frozen pydantic models, one module per section, with readable errors.

This package is the only place that defines the keys, defaults and help texts of a study. The JSON schema, the commented
default configuration and the configuration reference are generated from it (:mod:`inversion.config.render`).
"""
