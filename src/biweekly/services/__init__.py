"""Conduct. What people do with the publication, step by step; what a step needs from the world is handed to it."""
