"""Are the features that serving computes those that training learned from? Bit for bit."""
