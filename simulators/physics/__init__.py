"""Before the simulators' wire: time and injected faults → true values of an equipment class."""
