"""Edge: door. The folder of issues: what stands in it, and which one is meant by a word."""
