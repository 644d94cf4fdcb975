"""Ties a rig to the room: measured points, a board on the floor."""
