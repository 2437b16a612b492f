"""physics: the published models that behaviours are made of, each on its own and comparable with its source (pure)."""
