"""gpubench: train the courses' nets on real MNIST under equal conditions on each device, and time it honestly."""
