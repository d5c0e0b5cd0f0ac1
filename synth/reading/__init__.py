"""Read documents of any format as text."""
