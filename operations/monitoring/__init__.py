"""The monitors: run on demand, what they found, and the retraining they ask for."""
