"""From tokens to the syntax tree: lark's tables and engine, our nodes, our recovery."""
