"""Metrics and their uncertainty. Pure functions on arrays; no file, model or page is known here."""
