"""Inference of a hidden context from transitions: pure batched functions and modules, without an algorithm around them.

An encoder turns a window of transitions into z (`encoder`). z reaches a network as an input, or as the weights of an adapter
that a hypernetwork generates (`hypernetwork`, `adapter`). `objectives` are what an encoder can be trained on, made of the
pure functions in `losses`. The method is DMA*-SH (arXiv 2602.06550); the objectives of other methods are there for comparison.
"""
