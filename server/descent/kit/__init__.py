"""What several experiments share: data, parts of models, text."""
