"""Pages of the challenges: list, rules and data, submit, board, teams, and the organiser's."""
