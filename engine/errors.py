"""The one error a user is meant to read."""

from __future__ import annotations


class ReverieError(Exception):
    """A message for the user: what was got, what was expected, what to do. Faces print it without a traceback."""
