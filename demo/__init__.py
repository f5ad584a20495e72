"""The demonstration: a sample set with known differences, and the services that run it."""
