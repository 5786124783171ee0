"""Actor-critic updates for networks that may be told of the context, one algorithm a file.

Each is the mathematics of d3rlpy's algorithm of the same name. Networks of `offctx.algos.context_inference.conditioned` take
the place of d3rlpy's, all critics in one product. Observations, actions and rewards are scaled already; actions lie in [-1, 1].
"""
