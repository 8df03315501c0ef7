"""What is recorded of runs, in SQLite or PostgreSQL."""
