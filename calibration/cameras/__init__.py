"""Lens models: from points to pixels and back, with derivatives."""
