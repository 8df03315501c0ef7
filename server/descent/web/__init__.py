"""What each address answers, one file per resource."""
