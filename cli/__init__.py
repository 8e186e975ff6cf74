"""How a command talks to a person: exit codes, logging, option types, progress, summaries."""
