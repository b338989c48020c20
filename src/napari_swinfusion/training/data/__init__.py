"""A lab's own images as training data: finding them, checking them, holding some out, and drawing crops."""
