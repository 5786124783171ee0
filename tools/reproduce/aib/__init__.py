"""The experiments "aib" and "aib-offline": DMA*-SH and the methods that it is compared with, online and offline.

- `tasks`, `controllers`, `methods`: what is run.
- `settings`, `cell`: how a cell runs.
- `results`, `claims`, `pilots`: what the cells say.
- `tables`, `report`, `picture`: how the report says it.
- `offline`, `online`: join them on the frame.
"""
