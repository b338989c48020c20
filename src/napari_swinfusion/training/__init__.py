"""Training of fusion networks: data, loop and checkpoints; no window, no bar."""
