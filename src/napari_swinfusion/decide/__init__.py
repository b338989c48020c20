"""For each pixel, how much of each plane: by a network, a focus measure or a pyramid."""
