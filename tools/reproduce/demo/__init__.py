"""The experiment "demo": `make demo` with several algorithms, each with several seeds."""
