"""Exports: episodes in the formats that trainers and viewers open."""
