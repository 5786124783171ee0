"""The experiment "theory": what the papers behind offctx.linear claim, measured."""
