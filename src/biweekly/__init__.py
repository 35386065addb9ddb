"""Pure. A newsletter composition and mailing tool for a publication that comes out every two weeks."""

__version__ = "0.1.0"
