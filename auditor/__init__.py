"""A policy-driven compliance auditor for OpenAI organizations."""

__version__ = "0.1.0"
