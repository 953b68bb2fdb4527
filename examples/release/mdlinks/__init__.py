"""mdlinks: finds links in Markdown files that lead nowhere, without a network."""

__version__ = "0.0.0"
