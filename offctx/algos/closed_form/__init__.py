"""The finite-horizon algorithms of offctx.linear as d3rlpy learners, on features of continuous observations."""
