"""What a class does together: challenges that each solves, questions for all, and what the teacher shows."""
