"""Storage under tickets: what joins tickets to each other and how they are searched."""
