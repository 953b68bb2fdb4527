"""Pictures of a pipeline's graph: text for a terminal, DOT, Mermaid and SVG.

All four are drawn from one small model (`drawing.model`), which `drawing.look` makes of a
definition. Pure: a definition in, text out. Only `drawing.svg` knows igraph.
"""
