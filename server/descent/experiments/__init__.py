"""The experiments, a folder per chapter, a file per experiment."""
