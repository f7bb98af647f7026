"""gpubench: train the courses' nets on real MNIST under equal conditions on each device, and time it honestly."""

import os

# Read when torch loads GNU OpenMP. By default a thread spins for milliseconds while it waits for its fellow, and keeps
# that one from running where another process takes a core: a step of 1 ms then takes 8. This is some 20 µs.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")
