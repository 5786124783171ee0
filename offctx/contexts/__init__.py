"""Context spaces: named real vectors with units, bounds, constraints and splits.

space.py is the class. Its methods are implemented by topic: checking.py says what is valid and why not, discrete.py which
values a discrete coordinate takes, sampling.py draws contexts, meshes.py makes regular sets of them, splits.py makes named
sets, serialization.py stores a space.
"""
