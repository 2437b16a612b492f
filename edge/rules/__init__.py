"""Third arrow of the gateway: Sample → AlarmEvent and TestObserved."""
