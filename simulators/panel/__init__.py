"""The control panel of a running plant: what is true, what its devices show, and buttons that make it go wrong."""
