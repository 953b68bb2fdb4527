"""The model: states, transitions, plans and views. Pure values and functions, no IO."""
