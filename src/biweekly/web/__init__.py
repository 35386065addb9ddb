"""Shell. Pages: the local preview, and those that a letter points to."""
