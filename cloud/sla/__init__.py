"""Third arrow of the cloud: Ticket timeline → Deadline, in pure functions."""
