"""Pictures: `style` is that of all pictures; returns over the contexts of a `split`, against `distance`; `radius` reports."""
