"""The parts that networks are built from; one idea a file."""
