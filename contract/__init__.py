"""Ground floor: the published language on the arrow between edge and cloud."""
