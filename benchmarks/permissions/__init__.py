"""Whether every grant of the templates is needed and every "no" holds, as the loop is played."""
