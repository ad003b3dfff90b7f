"""Who may do what: users, teams, sessions, tokens, approvals, audit."""
