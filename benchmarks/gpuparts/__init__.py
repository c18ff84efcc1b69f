"""The parts of gpu.py. Each has a `measure(work, notes)` and runs in a process of its own."""
