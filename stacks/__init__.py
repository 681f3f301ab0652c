"""One thin stack per lifecycle stage, and the environments they are built for."""
