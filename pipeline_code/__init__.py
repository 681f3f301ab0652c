"""All that runs in the image and in the Lambdas; it never imports the CDK."""
