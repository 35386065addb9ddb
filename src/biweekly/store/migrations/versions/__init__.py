"""Edge: database. The revisions, oldest first."""
