"""acquire → decode, by hand: what a commissioning engineer asks, through the running gateway where it holds the line."""
