"""DMA*-SH and the methods that it is compared with: one learner with two axes (arXiv 2602.06550).

`settings` has the settings, `presets` the methods by name, `learner` d3rlpy's outer side, `impl` its inner side with the
update, and `memory` the policy that infers its context while it plays.
"""
