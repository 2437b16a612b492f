"""Fourth arrow of the cloud: Deadline → Notice to the person whose turn it is."""
