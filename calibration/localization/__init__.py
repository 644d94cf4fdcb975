"""Where a worn rig is: tag maps, and poses of its bodies over time."""
