"""Second arrow of the cloud: alarm event → Ticket, exactly one open per fault key."""
