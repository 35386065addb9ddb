"""Pure. The nouns that every room shares."""
