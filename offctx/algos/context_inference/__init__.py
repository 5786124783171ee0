"""Inference of a hidden context from transitions: pure batched functions and modules, without an algorithm around them.

An encoder turns a window of transitions into z (`encoder`). z reaches a network as an input, or as the weights of an adapter
that a hypernetwork generates (`hypernetwork`, `adapter`). `losses` says what an encoder can be trained on. The method is
DMA*-SH (arXiv 2602.06550); the losses of other methods are there for comparison.
"""
