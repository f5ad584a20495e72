"""Triggers of the provider; imported by the triggerer, and by workers that defer."""
