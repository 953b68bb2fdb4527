"""What is shown of a run while it goes: live on a terminal, plain lines, JSON lines.

Displays observe; they hold no truth and decide nothing. Each is cheap for every event
and does work only in proportion to what it shows.
"""
