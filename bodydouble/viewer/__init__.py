"""Pictures and videos of what the stages made."""
