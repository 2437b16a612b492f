"""From the stores outwards: clause coverage, SLA figures and device history as page or file."""
