"""How jobs really run: as processes in namespaces, as plain processes, or as containers."""
