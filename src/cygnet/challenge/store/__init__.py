"""Hosted challenges: what is kept, in one SQLite file and files by hash."""
