"""One gateway: wire bytes become samples, samples become alarms, and both reach the cloud when it can be reached."""
