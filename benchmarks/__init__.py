"""Measurements of the whole product: quality, speed, memory; each module is a command."""
