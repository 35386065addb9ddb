"""Pure. The sender's domains: what the DNS says of them, and whether that carries the letters."""
