"""Checking: does a syntax tree make sense, and what does it mean?

Checking an expression and lowering it to the definition's form is one walk: `check` gives
its type and its `Expr` together. What is wrong goes to the report, and the result is then
of type `any`, about which nothing more is said.
"""
