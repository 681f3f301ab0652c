"""What AWS leaves open: the questions, and which reading of each this embedded AWS plays."""
