"""Where events come from: one small interface, three implementations."""
