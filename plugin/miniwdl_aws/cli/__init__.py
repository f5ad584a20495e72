"""The command lines: the only modules that print or exit."""
