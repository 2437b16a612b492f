"""Last arrow of the gateway: OutboxRecord → Envelope, deleted only on the cloud's Receipt."""
