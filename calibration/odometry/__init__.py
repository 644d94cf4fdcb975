"""Where a worn rig is without any map: from the static background that its cameras see pass by."""
