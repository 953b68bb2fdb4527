"""A drawing as SVG: boxes in columns, each to the right of all it waits for.

    drawing ── blocks ──> boxes and frames ── lanes ──> columns ── place ──> points ── page ──> SVG

Steps with the same neighbours share a frame, and so do those of a long chain: what is
drawn stays small where the pipeline is large. The order within a column, which decides
how many edges cross, is igraph's; nothing else of Tidemill imports igraph, and this
package should be imported only where an SVG is wanted.
"""
