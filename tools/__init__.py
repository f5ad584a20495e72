"""The repository's own commands: what `make` runs besides the well-known tools."""
