"""What holds for every test: a property has no deadline, because CI's machine has two cores and other work."""

from hypothesis import settings

settings.register_profile("plantroom", deadline=None)
settings.load_profile("plantroom")
