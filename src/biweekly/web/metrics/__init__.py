"""Shell. What a monitor reads of a publication: OpenMetrics, on a port of its own, on this machine only."""
