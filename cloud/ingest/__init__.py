"""First arrow of the cloud: Envelope → committed records and a Receipt."""
