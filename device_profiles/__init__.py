"""Ground floor: what equipment is, and which clauses bind it."""
