"""Storage under escalation: who is told, by what, and every notice that was or will be sent."""
