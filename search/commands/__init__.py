"""The commands: one file or folder each. `search.cli` only puts them together."""
