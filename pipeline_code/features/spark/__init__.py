"""The Spark driver of the features, and the cluster it runs on."""
