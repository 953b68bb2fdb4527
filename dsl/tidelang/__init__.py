"""Tide, the language of pipelines: parsing, checking and compiling `.tide` files.

Useful alone: an editor or a pre-commit hook needs nothing but this package, which
knows neither databases nor brokers nor plugins hosts. The compiler is pure: equal
sources give equal definitions, byte for byte.
"""
