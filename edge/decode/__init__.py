"""Second arrow of the gateway: RawBlock → Sample, with quality and time."""
