"""The configuration of a study as strict, frozen pydantic models, a module a section, and errors made for people.

Every key, default and help text of a study stands here once: the JSON schema, the commented
default configuration and the documentation are generated from it (:mod:`inversion.config.render`).
"""
