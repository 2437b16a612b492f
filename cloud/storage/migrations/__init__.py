"""Storage: every released schema and the way from each to the next."""
