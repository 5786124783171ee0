"""Races of offctx against its peers.

The frame: `race` (what a race is), `result` (what follows from its times), `timing`, `bench` (sizes and datasets that races
share), `report`, `command`.
The races: one file a topic in `races/`. To add a race, write a function `Bench -> Measurement` in the file of its topic, list
it in the tuple RACES at the end of that file, and test it. A new topic is a new file, listed in `races/__init__.py`.
"""
