"""Fourth arrow of the gateway: event or sample → OutboxRecord, saved with the alarm state."""
