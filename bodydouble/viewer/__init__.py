"""Looking at an episode: the robot, the cameras with the fitted skeleton, the preview video."""
