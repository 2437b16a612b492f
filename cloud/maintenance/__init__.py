"""Beside the ticket arrow: TestObserved and forms → evidence that a periodic test was done."""
