"""First arrow of the gateway: wire bytes → RawBlock."""
