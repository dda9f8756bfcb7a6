"""The providers, a folder each: found by its name, edited by itself."""
