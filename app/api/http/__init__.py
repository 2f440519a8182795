"""What both doors share: who sends a request, its body, a client that leaves, failures as problems, pages of a list."""
