"""What the parts of the system agree on: names, texts and versions, spelled here and nowhere else.

Standard library only, and nothing else of the project: stacks, constructs, `operations`, the image
and every Lambda import it, and Lambdas ship it.
"""
