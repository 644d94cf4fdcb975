"""Boards and tags: their files, printing them, finding them in images."""
